"""PyTorch's public functions by family: what `fgrad coverage` counts. A prefix stands before the family's names."""

from __future__ import annotations

FAMILIES: dict[str, tuple[str, str]] = {  # family -> (prefix, names)
    "elementwise": ("", (
        "__radd__ __rand__ __rdiv__ __rmatmul__ __rmod__ __rmul__ __ror__ __rpow__ __rsub__ __rxor__ abs acos "
        "acosh add addcdiv addcmul asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_not "
        "bitwise_or bitwise_right_shift bitwise_xor ceil clamp clamp_max clamp_min copysign cos cosh deg2rad "
        "digamma div erf erfc erfinv exp exp2 expm1 float_power floor floor_divide fmax fmin fmod frac heaviside "
        "hypot lerp lgamma log log10 log1p log2 logaddexp logaddexp2 logit maximum minimum mul nan_to_num neg "
        "positive pow rad2deg reciprocal remainder round rsqrt rsub sgn sigmoid sign signbit sin sinc sinh sqrt "
        "square sub tan tanh true_divide trunc xlogy"
    )),
    "comparison": ("", (
        "allclose eq equal ge gt isclose isfinite isin isinf isnan isneginf isposinf isreal le logical_and "
        "logical_not logical_or logical_xor lt ne"
    )),
    "reduction": ("", (
        "all amax amin aminmax any argmax argmin count_nonzero logsumexp max mean median min mode nanmean "
        "nanmedian nanquantile nansum norm prod quantile std std_mean sum sum_to_size var var_mean"
    )),
    "softmax": ("", (
        "log_softmax softmax"
    )),
    "cumulative": ("", (
        "cummax cummin cumprod cumsum diff logcumsumexp trapezoid"
    )),
    "shape": ("", (
        "H T atleast_1d atleast_2d atleast_3d broadcast_shapes broadcast_tensors broadcast_to cat chunk clone "
        "column_stack contiguous diag diag_embed diagonal dsplit dstack expand expand_as flatten flip fliplr "
        "flipud hsplit hstack mH mT meshgrid movedim narrow permute ravel repeat repeat_interleave reshape "
        "reshape_as roll rot90 split split_with_sizes squeeze stack t tensor_split tile transpose tril triu "
        "unbind unflatten unfold unsqueeze view view_as vsplit vstack"
    )),
    "indexing": ("", (
        "__getitem__ argwhere fill gather index_add index_copy index_fill index_put index_select masked_fill "
        "masked_scatter masked_select nonzero put scatter scatter_add scatter_reduce select take take_along_dim "
        "where zero_"
    )),
    "matmul": ("", (
        "addbmm addmm addmv addr baddbmm bmm cross dist dot einsum inner kron matmul mm mv outer tensordot trace "
        "vdot"
    )),
    "creation": ("", (
        "arange bernoulli empty empty_like eye full full_like linspace logspace multinomial new_empty new_full "
        "new_ones new_zeros normal ones ones_like rand_like randint randint_like randn randn_like scalar_tensor "
        "tril_indices triu_indices uniform zeros zeros_like"
    )),
    "dtype": ("", (
        "bfloat16 bool byte char double float half int item long short to"
    )),
    "sorting": ("", (
        "argsort bincount bucketize histc kthvalue msort searchsorted sort topk unique unique_consecutive"
    )),
    "complex": ("", (
        "angle complex conj imag polar real view_as_complex view_as_real"
    )),
    "activation": ("nn.functional.", (
        "celu elu gelu glu hardshrink hardsigmoid hardswish hardtanh leaky_relu logsigmoid mish prelu relu relu6 "
        "rrelu selu silu softmin softplus softshrink softsign tanhshrink threshold"
    )),
    "conv+linear": ("nn.functional.", (
        "bilinear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear unfold"
    )),
    "pooling": ("nn.functional.", (
        "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d "
        "adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d fractional_max_pool2d fractional_max_pool3d "
        "max_pool1d max_pool2d max_pool3d max_unpool1d max_unpool2d max_unpool3d"
    )),
    "normalisation": ("nn.functional.", (
        "batch_norm group_norm instance_norm layer_norm local_response_norm normalize rms_norm"
    )),
    "loss": ("nn.functional.", (
        "binary_cross_entropy binary_cross_entropy_with_logits cosine_embedding_loss cross_entropy ctc_loss "
        "gaussian_nll_loss hinge_embedding_loss huber_loss kl_div l1_loss linear_cross_entropy "
        "margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss "
        "nll_loss poisson_nll_loss smooth_l1_loss soft_margin_loss triplet_margin_loss "
        "triplet_margin_with_distance_loss"
    )),
    "vision+padding": ("nn.functional.", (
        "channel_shuffle grid_sample interpolate pad pixel_shuffle pixel_unshuffle upsample_bilinear "
        "upsample_nearest"
    )),
    "dropout+embedding+attention": ("nn.functional.", (
        "alpha_dropout dropout dropout2d dropout3d embedding embedding_bag feature_alpha_dropout "
        "multi_head_attention_forward one_hot scaled_dot_product_attention"
    )),
    "distance": ("nn.functional.", (
        "cosine_similarity pairwise_distance pdist"
    )),
    "linalg": ("linalg.", (
        "cholesky cholesky_ex cond cross det diagonal eig eigh eigvals eigvalsh householder_product inv inv_ex "
        "ldl_factor ldl_factor_ex ldl_solve lstsq lu lu_factor lu_factor_ex lu_solve matrix_norm matrix_power "
        "matrix_rank multi_dot norm pinv qr slogdet solve solve_ex solve_triangular svd svdvals tensorinv "
        "tensorsolve vander vecdot vector_norm"
    )),
    "top-level linear algebra": ("", (
        "block_diag cdist cholesky cholesky_inverse cholesky_solve corrcoef cov geqrf logdet lu lu_solve "
        "lu_unpack matrix_exp ormqr pca_lowrank pinverse qr svd svd_lowrank triangular_solve lobpcg"
    )),
    "fft": ("", (
        "fft.fft fft.fft2 fft.fftn fft.fftshift fft.hfft fft.hfft2 fft.hfftn fft.ifft fft.ifft2 fft.ifftn "
        "fft.ifftshift fft.ihfft fft.ihfft2 fft.ihfftn fft.irfft fft.irfft2 fft.irfftn fft.rfft fft.rfft2 "
        "fft.rfftn istft stft"
    )),
    "special": ("", (
        "i0 igamma igammac mvlgamma polygamma special.airy_ai special.bessel_j0 special.bessel_j1 "
        "special.bessel_y0 special.bessel_y1 special.chebyshev_polynomial_t special.chebyshev_polynomial_u "
        "special.chebyshev_polynomial_v special.chebyshev_polynomial_w special.entr special.erfcx "
        "special.hermite_polynomial_h special.hermite_polynomial_he special.i0e special.i1 special.i1e "
        "special.laguerre_polynomial_l special.legendre_polynomial_p special.log_ndtr special.modified_bessel_i0 "
        "special.modified_bessel_i1 special.modified_bessel_k0 special.modified_bessel_k1 special.ndtr "
        "special.ndtri special.polygamma special.scaled_modified_bessel_k0 special.scaled_modified_bessel_k1 "
        "special.shifted_chebyshev_polynomial_t special.shifted_chebyshev_polynomial_u "
        "special.shifted_chebyshev_polynomial_v special.shifted_chebyshev_polynomial_w "
        "special.spherical_bessel_j0 special.xlog1py special.zeta"
    )),
    "masked": ("masked.", (
        "amax amin argmax argmin cumprod cumsum log_softmax logaddexp logsumexp mean median norm normalize prod "
        "softmax softmin std sum var"
    )),
    "windows": ("", (
        "signal.windows.bartlett signal.windows.blackman signal.windows.cosine signal.windows.exponential "
        "signal.windows.gaussian signal.windows.general_cosine signal.windows.general_hamming "
        "signal.windows.hamming signal.windows.hann signal.windows.kaiser signal.windows.nuttall"
    )),
    "views+memory": ("", (
        "as_strided as_strided_scatter constant_pad_nd diagflat diagonal_scatter empty_permuted empty_strided "
        "narrow_copy new_empty_strided nonzero_static resize_ resize_as_ select_scatter slice_scatter "
        "unravel_index unsafe_chunk unsafe_split"
    )),
    "maths": ("", (
        "cartesian_prod combinations conj_physical cumulative_trapezoid frexp gcd gradient hash_tensor histogram "
        "histogramdd index_reduce lcm ldexp nextafter renorm resolve_conj resolve_neg trapz"
    )),
    "random": ("", (
        "cauchy exponential geometric log_normal"
    )),
    "complex dtypes": ("", (
        "cdouble cfloat chalf"
    )),
}  # fmt: skip
