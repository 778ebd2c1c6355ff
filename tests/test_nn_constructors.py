"""Every nn Module's constructor: text, attributes, names of its tensors and errors as PyTorch's."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import fgrad

torch = pytest.importorskip("torch")

MADE = [row.strip() for row in r"""
Identity() | Identity(3,a=2)
Linear(3,4) | Linear(3,4,bias=False) | Linear(3,4,dtype=torch.float64) | Linear(3,4,True,'cpu',torch.float16)
Linear(0,4) | Linear(-1,2) | Linear(2.5,3)
Bilinear(2,3,4) | Bilinear(2,3,4,False) | Bilinear(0,3,4)
LazyLinear(4) | LazyConv2d(4,3) | LazyBatchNorm1d() | LazyConvTranspose1d(3,2) | LazyInstanceNorm2d()
Conv1d(2,4,3) | Conv1d(2,4,3,stride=2,padding=1,dilation=2,groups=2,bias=False,padding_mode='circular')
Conv1d(2,4,3,padding='same') | Conv1d(2,4,3,padding='same',stride=2) | Conv1d(2,4,3,padding='foo')
Conv1d(2,4,3,padding_mode='foo') | Conv1d(3,4,3,groups=2) | Conv1d(4,3,3,groups=2) | Conv1d(4,4,3,groups=0)
Conv1d(2,4,(3,))
Conv2d(2,4,(3,2),stride=(2,1),padding=(1,0)) | Conv2d(2,4,3,padding='valid') | Conv3d(1,2,2,padding_mode='reflect')
Conv2d(2,4,3,padding_mode='replicate',padding=1)
ConvTranspose1d(2,4,3) | ConvTranspose2d(2,4,3,stride=2,padding=1,output_padding=1,groups=2,bias=False,dilation=2)
ConvTranspose2d(2,4,3,padding_mode='circular') | ConvTranspose3d(2,4,3)
ConvTranspose2d(2,4,3,output_padding=(1,0),stride=2)
Fold((4,4),2) | Fold((4,4),kernel_size=2,dilation=1,padding=1,stride=2) | Unfold(2)
Unfold((2,3),dilation=2,padding=1,stride=2)
MaxPool1d(2) | MaxPool2d(3,stride=2,padding=1,dilation=2,return_indices=True,ceil_mode=True) | MaxPool3d((1,2,2))
MaxUnpool1d(2) | MaxUnpool2d(2,stride=(2,1),padding=1) | MaxUnpool3d(2)
AvgPool1d(2) | AvgPool1d(2,1,1,True,False) | AvgPool2d(3,2,1,True,False,5) | AvgPool3d(2)
FractionalMaxPool2d(2,output_ratio=0.5) | FractionalMaxPool2d(2)
FractionalMaxPool2d(2,output_size=3,output_ratio=.5) | FractionalMaxPool3d(2,output_size=3) | LPPool1d(2,3)
LPPool2d(1.5,3,stride=2,ceil_mode=True) | LPPool3d(2,2)
AdaptiveMaxPool1d(3) | AdaptiveMaxPool2d((3,None),return_indices=True) | AdaptiveMaxPool3d(2) | AdaptiveAvgPool1d(3)
AdaptiveAvgPool2d((None,2)) | AdaptiveAvgPool3d((1,2,3))
ReflectionPad1d(2) | ReflectionPad2d((1,2,0,1)) | ReflectionPad3d(1) | ReplicationPad1d(1) | ReplicationPad2d(1)
ReplicationPad3d(1) | ZeroPad1d(1) | ZeroPad2d((1,1,2,0)) | ZeroPad3d(1) | ConstantPad1d(2,3.5) | ConstantPad2d(2,3)
ConstantPad3d(1,0) | CircularPad1d(1) | CircularPad2d(1) | CircularPad3d(1)
ELU() | ELU(0.5,True) | Hardshrink(.3) | Hardsigmoid() | Hardsigmoid(True) | Hardtanh() | Hardtanh(-2,2,True)
Hardtanh(2,1) | Hardtanh(min_value=-1,max_value=3) | Hardswish(inplace=True) | LeakyReLU(.2,True) | LogSigmoid()
PReLU() | PReLU(3,.1) | ReLU(True) | ReLU6(True) | RReLU() | RReLU(.1,.2,True) | SELU(True) | CELU(.5) | GELU()
GELU('tanh') | Sigmoid() | SiLU(True) | Mish(True) | Softplus(2,10) | Softshrink(.3) | Softsign() | Tanh()
Tanhshrink() | Threshold(.1,20,True) | GLU() | GLU(1) | Softmin() | Softmin(1) | Softmax(dim=1) | Softmax()
Softmax2d() | LogSoftmax(-1) | LogSoftmax()
MultiheadAttention(8,2) | MultiheadAttention(8,3)
MultiheadAttention(8,2,dropout=.1,bias=False,add_bias_kv=True,add_zero_attn=True,kdim=4,vdim=5,batch_first=True)
MultiheadAttention(0,2) | AdaptiveLogSoftmaxWithLoss(8,10,[3,6],div_value=2.,head_bias=True)
AdaptiveLogSoftmaxWithLoss(8,10,[6,3]) | AdaptiveLogSoftmaxWithLoss(8,10,[]) | AdaptiveLogSoftmaxWithLoss(8,10,[10])
BatchNorm1d(4) | BatchNorm2d(4,eps=1e-3,momentum=None,affine=False,track_running_stats=False) | BatchNorm3d(4)
SyncBatchNorm(4) | InstanceNorm1d(3) | InstanceNorm2d(3,affine=True,track_running_stats=True) | InstanceNorm3d(3)
GroupNorm(2,4) | GroupNorm(3,4) | GroupNorm(2,4,eps=1e-3,affine=False) | LayerNorm(4)
LayerNorm((3,4),eps=1e-3,elementwise_affine=False) | LayerNorm([3,4],bias=False) | LocalResponseNorm(2)
LocalResponseNorm(2,.1,.5,2.) | RMSNorm(4) | RMSNorm((3,4),eps=1e-3,elementwise_affine=False) | CrossMapLRN2d(2)
RNN(3,4) | RNN(3,4,2,nonlinearity='relu',bias=False,batch_first=True,dropout=.5,bidirectional=True)
RNN(3,4,nonlinearity='foo') | RNN(input_size=3,hidden_size=4,num_layers=2) | LSTM(3,4,2,proj_size=2)
LSTM(3,4,proj_size=5) | LSTM(3,4,proj_size=-1) | GRU(3,4,bidirectional=True) | GRU(3,4,proj_size=2)
GRU(3,4,dropout=2) | GRU(3,4,dropout=.5) | GRU(3,0) | GRU(3,4,0) | LSTM(3,4,dropout=True) | LSTM(3,4.5) | RNNCell(3,4)
RNNCell(3,4,False,'relu') | LSTMCell(3,4) | LSTMCell(3,4,bias=False) | GRUCell(3,4)
TransformerEncoderLayer(8,2) | TransformerEncoderLayer(8,2,16,.2,'gelu',1e-4,True,True,False)
TransformerEncoderLayer(8,2,activation='foo') | TransformerDecoderLayer(8,2,16)
TransformerEncoder(TransformerEncoderLayer(8,2,16,batch_first=True),2,LayerNorm(8))
TransformerDecoder(TransformerDecoderLayer(8,2,16),2) | Transformer(8,2,1,1,16)
Dropout() | Dropout(.3,True) | Dropout(1.5) | Dropout(-.1) | Dropout1d(.2) | Dropout2d(.2) | Dropout3d(.2)
AlphaDropout(.2) | FeatureAlphaDropout(.2)
Embedding(5,3) | Embedding(5,3,padding_idx=-1,max_norm=1.,norm_type=1.,scale_grad_by_freq=True,sparse=True)
Embedding(5,3,padding_idx=7) | Embedding(5,3,padding_idx=-6) | Embedding.from_pretrained(torch.ones(3,2))
Embedding.from_pretrained(torch.ones(3,2),freeze=False,padding_idx=0) | Embedding.from_pretrained(torch.ones(3))
Embedding(5,3,_weight=torch.ones(2,2)) | EmbeddingBag(5,3)
EmbeddingBag(5,3,mode='max',padding_idx=1,include_last_offset=True)
EmbeddingBag.from_pretrained(torch.ones(3,2),mode='sum')
EmbeddingBag(5,3,max_norm=2,norm_type=3,scale_grad_by_freq=True,sparse=True,mode='sum')
CosineSimilarity() | CosineSimilarity(0,1e-3) | PairwiseDistance() | PairwiseDistance(1,1e-3,True)
L1Loss() | L1Loss(reduction='none') | L1Loss(reduction='foo') | L1Loss(False,True) | MSELoss(size_average=False)
CrossEntropyLoss(label_smoothing=.1) | CrossEntropyLoss(weight=torch.ones(3),ignore_index=2,reduction='sum')
CTCLoss(1,'sum',True) | NLLLoss() | PoissonNLLLoss(False,True,eps=1e-3) | GaussianNLLLoss(full=True)
KLDivLoss(log_target=True) | BCELoss() | BCEWithLogitsLoss(pos_weight=torch.ones(2)) | MarginRankingLoss(.1)
HingeEmbeddingLoss(2.) | MultiLabelMarginLoss() | HuberLoss('sum',2.) | HuberLoss(delta=-1) | SmoothL1Loss(beta=.5)
SoftMarginLoss() | MultiLabelSoftMarginLoss() | CosineEmbeddingLoss(.1) | MultiMarginLoss(2,.5) | MultiMarginLoss(3)
TripletMarginLoss(2.,1.,1e-4,True) | TripletMarginWithDistanceLoss()
TripletMarginWithDistanceLoss(distance_function=PairwiseDistance(),margin=2.,swap=True) | NLLLoss2d()
PixelShuffle(2) | PixelUnshuffle(2) | Upsample(scale_factor=2)
Upsample(size=(3,4),mode='bilinear',align_corners=True) | Upsample((3,3))
Upsample(scale_factor=(2,3),mode='nearest',recompute_scale_factor=True) | UpsamplingNearest2d(scale_factor=2)
UpsamplingBilinear2d(size=3) | ChannelShuffle(2) | Flatten() | Flatten(0,-2) | Unflatten(1,(2,3))
Unflatten('f',(('a',2),('b',3))) | Unflatten(1,3) | Unflatten(1,[2,3])
Sequential() | Sequential(Linear(1,2),ReLU()) | Sequential(3) | ModuleList([Linear(1,2),Linear(1,2),ReLU()])
ModuleList() | ModuleDict({'a':ReLU(),'b':Linear(2,1)}) | ModuleDict([('x',ReLU())]) | ModuleDict(3)
ParameterList([Parameter(torch.ones(2,3)),torch.ones(2)]) | ParameterList([1,'a'])
ParameterDict({'a':Parameter(torch.ones(2)),'b':3}) | ParameterDict() | ModuleList([3]) | ModuleDict({'a':3})
ModuleDict({1:ReLU()})
Parameter(torch.ones(2)) | Parameter(torch.ones(2),False) | Buffer(torch.ones(2))
Parameter(torch.ones(2,dtype=torch.int64)) | Parameter(3)
DataParallel(Linear(1,2))
""".replace("\n", " | ").split(" | ") if row.strip()]
ERRORS = (AssertionError, AttributeError, KeyError, NotImplementedError, TypeError, ValueError, RuntimeError)
PLAIN = (int, float, str, bool, tuple, type(None))


def made(T: Any, text: str) -> Any:
    """The module, or the classes of the error that making it raised."""
    try:
        return eval(text, {**{k: getattr(T.nn, k) for k in dir(T.nn)}, "torch": T})
    except ERRORS as e:
        return {c for c in ERRORS if isinstance(e, c)}


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:size_average and reduce", "ignore:Lazy modules", "ignore:dropout option", "ignore:enable_nested", "ignore:Implicit dim")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:Initializing zero-element")
@pytest.mark.parametrize("text", MADE)
def test_constructors_are_pytorchs(text: str) -> None:
    theirs, ours = made(torch, text), made(fgrad, text)
    if isinstance(theirs, set) or isinstance(ours, set):
        assert isinstance(theirs, set)
        assert isinstance(ours, set)
        assert theirs & ours
        return
    assert repr(ours).replace("fgrad.", "torch.") == repr(theirs)
    if not isinstance(theirs, torch.nn.Module):
        return
    for twin in (ours, copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert list(twin.state_dict()) == list(theirs.state_dict())
        assert [p.requires_grad for p in twin.parameters()] == [p.requires_grad for p in theirs.parameters()]
    for name, value in vars(theirs).items():
        if isinstance(value, PLAIN) and not name.startswith("_") and name not in ("activation_relu_or_gelu", "enable_nested_tensor", "use_nested_tensor", "mask_check"):
            assert getattr(ours, name) == value, name


@pytest.mark.oracle
@pytest.mark.parametrize("T", [torch, fgrad], ids=["torch", "fgrad"])
def test_containers_of_parameters(T: Any) -> None:
    p = T.nn.Parameter(T.ones(2))
    d = T.nn.ParameterDict({"a": p, "n": 3})
    assert d.get("x", 5) == 5
    assert d.setdefault("n", 4) == 3
    assert list(d | {"b": T.ones(1)}) == ["a", "n", "b"]
    assert list(reversed(d)) == ["n", "a"]
    assert d.popitem() == ("n", 3)
    assert isinstance(d.fromkeys(["u", "v"], T.ones(1))["v"], T.nn.Parameter)
    assert next(iter(d.copy().parameters())) is p
    with pytest.raises(AttributeError):
        d["none"]
    with pytest.raises(RuntimeError, match="should not be called"):
        d(1)
    for bad, error in ((3, TypeError), ([3], TypeError), (["abc"], ValueError)):
        with pytest.raises(error):
            d.update(bad)
    items = T.nn.ParameterList([p, "text", T.zeros(1)])
    items += [4]
    assert len(items) == 4
    assert list(items[1:3].state_dict()) == ["1"]
    assert [name for name, _ in items.named_parameters()] == ["0", "2"]
    with pytest.raises(TypeError):
        items.extend(3)
