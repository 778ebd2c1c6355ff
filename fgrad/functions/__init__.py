"""PyTorch's names: tensors, their methods, and functions over them. Imports eager and everything below.

Inside: dtypes < call < pointwise < classify < reductions, shape < complex, elementary, linear, select < random < inplace < base
< tensor < creation, queries < fft.  Each file lists in `__all__` what of it is PyTorch's; this one joins the lists.
"""

from fgrad.functions.algebra import *  # noqa: F403
from fgrad.functions.algebra import __all__ as _algebra
from fgrad.functions.arrange import *  # noqa: F403
from fgrad.functions.arrange import __all__ as _arrange
from fgrad.functions.autocast import *  # noqa: F403
from fgrad.functions.autocast import __all__ as _autocast
from fgrad.functions.blends import *  # noqa: F403
from fgrad.functions.blends import __all__ as _blends
from fgrad.functions.classify import *  # noqa: F403
from fgrad.functions.classify import __all__ as _classify
from fgrad.functions.complex import *  # noqa: F403
from fgrad.functions.complex import __all__ as _complex
from fgrad.functions.control import *  # noqa: F403
from fgrad.functions.control import __all__ as _control
from fgrad.functions.creation import *  # noqa: F403
from fgrad.functions.creation import __all__ as _creation
from fgrad.functions.dtypes import *  # noqa: F403
from fgrad.functions.dtypes import __all__ as _dtypes
from fgrad.functions.dtypes import bool_ as bool
from fgrad.functions.dtypes import complex64 as cfloat
from fgrad.functions.dtypes import complex128 as cdouble
from fgrad.functions.dtypes import float16 as half
from fgrad.functions.dtypes import float32 as float
from fgrad.functions.dtypes import float64 as double
from fgrad.functions.dtypes import int16 as short
from fgrad.functions.dtypes import int32 as int
from fgrad.functions.dtypes import int64 as long
from fgrad.functions.elementary import *  # noqa: F403
from fgrad.functions.elementary import __all__ as _elementary
from fgrad.functions.formats import *  # noqa: F403
from fgrad.functions.formats import __all__ as _formats
from fgrad.functions.gradmode import *  # noqa: F403
from fgrad.functions.gradmode import __all__ as _gradmode
from fgrad.functions.layouts import *  # noqa: F403
from fgrad.functions.layouts import __all__ as _layouts
from fgrad.functions.legacy import *  # noqa: F403
from fgrad.functions.legacy import __all__ as _legacy
from fgrad.functions.linear import *  # noqa: F403
from fgrad.functions.linear import __all__ as _linear
from fgrad.functions.manners import adjoint
from fgrad.functions.memory import *  # noqa: F403
from fgrad.functions.memory import __all__ as _memory
from fgrad.functions.ordering import *  # noqa: F403
from fgrad.functions.ordering import __all__ as _ordering
from fgrad.functions.persistence import *  # noqa: F403
from fgrad.functions.persistence import __all__ as _persistence
from fgrad.functions.pointwise import *  # noqa: F403
from fgrad.functions.pointwise import __all__ as _pointwise
from fgrad.functions.preferences import *  # noqa: F403
from fgrad.functions.preferences import __all__ as _preferences
from fgrad.functions.printing import set_printoptions
from fgrad.functions.queries import *  # noqa: F403
from fgrad.functions.queries import __all__ as _queries
from fgrad.functions.random import *  # noqa: F403
from fgrad.functions.random import __all__ as _random
from fgrad.functions.reductions import *  # noqa: F403
from fgrad.functions.reductions import __all__ as _reductions
from fgrad.functions.running import *  # noqa: F403
from fgrad.functions.running import __all__ as _running
from fgrad.functions.scatters import *  # noqa: F403
from fgrad.functions.scatters import __all__ as _scatters
from fgrad.functions.select import *  # noqa: F403
from fgrad.functions.select import __all__ as _select
from fgrad.functions.shape import *  # noqa: F403
from fgrad.functions.shape import __all__ as _shape
from fgrad.functions.sources import *  # noqa: F403
from fgrad.functions.sources import __all__ as _sources
from fgrad.functions.special import i0, igamma, igammac, mvlgamma, polygamma
from fgrad.functions.standing import *  # noqa: F403
from fgrad.functions.standing import __all__ as _standing
from fgrad.functions.stft import *  # noqa: F403
from fgrad.functions.stft import __all__ as _stft
from fgrad.functions.tensor import *  # noqa: F403
from fgrad.functions.tensor import __all__ as _tensor
from fgrad.functions.triangles import *  # noqa: F403
from fgrad.functions.triangles import __all__ as _triangles

__all__ = [
    *_algebra,
    *_arrange,
    *_autocast,
    *_blends,
    *_classify,
    *_complex,
    *_control,
    *_creation,
    *_dtypes,
    *_elementary,
    *_formats,
    *_gradmode,
    *_layouts,
    *_legacy,
    *_linear,
    *_memory,
    *_ordering,
    *_persistence,
    *_pointwise,
    *_preferences,
    *_queries,
    *_random,
    *_reductions,
    *_running,
    *_scatters,
    *_select,
    *_shape,
    *"i0 igamma igammac mvlgamma polygamma".split(),
    *_sources,
    *_standing,
    *_stft,
    *_tensor,
    *_triangles,
    *"adjoint bool cdouble cfloat double float half int long set_printoptions short".split(),
]
__all__.sort()
