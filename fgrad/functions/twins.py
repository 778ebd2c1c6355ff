"""Tensor's in-place forms of pointwise operations: PyTorch's `name_` for each `name`."""

from __future__ import annotations

from fgrad.functions import blends as b
from fgrad.functions import classify as k
from fgrad.functions import elementary as e
from fgrad.functions import pointwise as p
from fgrad.functions.complex import conj_physical
from fgrad.functions.inplace import of, of_each


class InPlaceMethods:
    """Each computes the operation and writes it to the tensor; the result must fit its shape and kind of dtype."""

    __slots__ = ()
    __iadd__ = add_ = of(p.add)
    __isub__ = sub_ = subtract_ = of(p.sub)
    __imul__ = mul_ = multiply_ = of(p.mul)
    __itruediv__ = div_ = divide_ = true_divide_ = of(p.div)
    __ifloordiv__ = floor_divide_ = of(p.floor_divide)
    __imod__ = remainder_ = of(p.remainder)
    __ipow__ = pow_ = of(p.pow)
    __iand__ = bitwise_and_ = of(p.bitwise_and)
    __ior__ = bitwise_or_ = of(p.bitwise_or)
    __ixor__ = bitwise_xor_ = of(p.bitwise_xor)
    __ilshift__ = bitwise_left_shift_ = of(p.bitwise_left_shift)
    __irshift__ = bitwise_right_shift_ = of(p.bitwise_right_shift)
    exp_, exp2_, expm1_, log_, log2_, log10_, log1p_ = of_each(p.exp, p.exp2, p.expm1, p.log, p.log2, p.log10, p.log1p)
    sqrt_, rsqrt_, reciprocal_, square_ = of_each(p.sqrt, p.rsqrt, p.reciprocal, p.square)
    neg_, abs_, sign_, sgn_, frac_, trunc_ = of_each(p.neg, p.abs, p.sign, e.sgn, p.frac, p.trunc)
    negative_, absolute_, fix_ = neg_, abs_, trunc_
    floor_, ceil_, round_ = of_each(p.floor, p.ceil, p.round)
    sin_, cos_, tan_, sinh_, cosh_, tanh_ = of_each(p.sin, p.cos, p.tan, p.sinh, p.cosh, p.tanh)
    asin_, acos_, atan_, asinh_, acosh_, atanh_ = of_each(p.asin, p.acos, p.atan, p.asinh, p.acosh, p.atanh)
    arcsin_, arccos_, arctan_, arcsinh_, arccosh_, arctanh_ = asin_, acos_, atan_, asinh_, acosh_, atanh_
    atan2_, hypot_, copysign_, fmod_, nextafter_ = of_each(p.atan2, p.hypot, p.copysign, p.fmod, e.nextafter)
    arctan2_ = atan2_
    sigmoid_, relu_, logit_, sinc_ = of_each(p.sigmoid, p.relu, e.logit, e.sinc)
    erf_, erfc_, erfinv_, lgamma_, digamma_ = of_each(p.erf, p.erfc, p.erfinv, p.lgamma, p.digamma)
    deg2rad_, rad2deg_, heaviside_, float_power_ = (*of_each(e.deg2rad, e.rad2deg, e.heaviside), of(e.float_power, exact=True))
    gcd_, lcm_, ldexp_, xlogy_ = of_each(e.gcd, e.lcm, e.ldexp, p.xlogy)
    clamp_, clip_, clamp_min_, clamp_max_ = of_each(p.clamp, p.clamp, e.clamp_min, e.clamp_max)
    lerp_, addcmul_, addcdiv_, nan_to_num_ = of_each(b.lerp, b.addcmul, b.addcdiv, k.nan_to_num)
    eq_, ne_, lt_, le_, gt_, ge_ = of_each(p.eq, p.ne, p.lt, p.le, p.gt, p.ge)
    not_equal_, less_, less_equal_, greater_, greater_equal_ = ne_, lt_, le_, gt_, ge_
    logical_not_, logical_and_, logical_or_, logical_xor_ = of_each(
        p.logical_not, p.logical_and, p.logical_or, p.logical_xor)  # fmt: skip
    bitwise_not_, conj_physical_ = of_each(p.bitwise_not, conj_physical)
