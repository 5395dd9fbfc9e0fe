/**
 * Operators on the device, compared with the CPU, in float64. Each row is a call of one operator. `x` and `y` are normal numbers
 * [6, 5], `p` is positive, `u` is within (−1, 1), `m` [5, 5] is well conditioned, `s` is symmetric and positive definite, `image`
 * is [2, 4, 9, 8], `i` are whole numbers.
 */
const byName = {
  x: [
    'abs neg sign sgn exp expm1 exp2 sin cos tan sinh cosh tanh atan asinh sigmoid relu relu6 floor ceil round trunc frac square erf erfc',
    'sinc selu elu celu gelu silu mish softplus hardtanh hardswish hardsigmoid leaky_relu log_sigmoid rad2deg deg2rad nan_to_num isnan isfinite',
    'signbit logical_not special_i0e special_i1 special_i1e special_erfcx special_ndtr sum mean std var prod amax amin median logsumexp0',
    'norm nansum nanmean argmax argmin all any count_nonzero flatten triu tril diagonal nonzero isinf isposinf positive aminmax mode0',
  ],
  p: ['log log2 log10 log1p sqrt rsqrt reciprocal lgamma digamma special_entr special_log_ndtr i0 frexp'],
  u: ['acos asin atanh erfinv logit1'],
  xy: [
    'add sub mul div atan2 maximum minimum fmax fmin hypot copysign fmod remainder floor_divide logaddexp logaddexp2 lt le gt ge eq ne',
    'logical_and logical_or logical_xor dist heaviside float_power0 mse_loss l1_loss smooth_l1_loss huber_loss cosine_similarity pairwise_distance',
    'binary_cross_entropy_with_logits0 nextafter cdist',
  ],
  m: [
    'trace linalg_det linalg_inv linalg_pinv linalg_svdvals linalg_slogdet linalg_matrix_exp linalg_norm linalg_cond0',
  ],
  s: ['linalg_cholesky linalg_eigvalsh cholesky_inverse0'],
}

/** Names that end in 0 or 1 are defined below, since these operators need more arguments than tensors. */
const calls = {
  logsumexp0: ({ x }, t) => t.logsumexp(x, [1]),
  mode0: ({ i }, t) => t.sort(i.mode(1)[0])[0],
  logit1: ({ u }, t) => t.logit(u.abs(), 1e-6),
  float_power0: ({ p, y }, t) => t.float_power(p, y),
  binary_cross_entropy_with_logits0: ({ x, u }, t) => t.binary_cross_entropy_with_logits(x, u.abs()),
  linalg_cond0: ({ m }, t) => t.linalg_cond(m),
  cholesky_inverse0: ({ s }, t) => t.cholesky_inverse(t.linalg_cholesky(s)),
  'pow, a tensor': ({ p, y }, t) => t.pow(p, y),
  'pow, a number': ({ p }, t) => t.pow(p, 2.5),
  lerp: ({ x, y }, t) => t.lerp(x, y, 0.3),
  addcmul: ({ x, y, p }, t) => t.addcmul(x, y, p, { value: 0.5 }),
  addcdiv: ({ x, y, p }, t) => t.addcdiv(x, y, p, { value: 0.5 }),
  xlogy: ({ x, p }, t) => t.xlogy(x, p),
  where: ({ x, y }, t) => t.where(x.gt(0), x, y),
  clamp: ({ x }, t) => t.clamp(x, -0.5, 0.5),
  masked_fill: ({ x }, t) => t.masked_fill(x, x.gt(0), 7),
  'sum, a dimension': ({ x }, t) => t.sum(x, [0], true),
  'max, a dimension': ({ x }, t) => t.max(x, 1),
  'min, a dimension': ({ x }, t) => t.min(x, 0),
  'median, a dimension': ({ x }, t) => t.median(x, 1),
  cumsum: ({ x }, t) => t.cumsum(x, 1),
  cumprod: ({ x }, t) => t.cumprod(x, 0),
  cummax: ({ x }, t) => t.cummax(x, 0),
  logcumsumexp: ({ x }, t) => t.logcumsumexp(x, 1),
  var_mean: ({ x }, t) => t.var_mean(x, [1]),
  quantile: ({ x }, t) => t.quantile(x, 0.3, 1),
  topk: ({ x }, t) => t.topk(x, 3, 1),
  sort: ({ x }, t) => t.sort(x, 1, true),
  argsort: ({ x }, t) => t.argsort(x, 1),
  kthvalue: ({ x }, t) => t.kthvalue(x, 2, 1),
  bincount: ({ i }, t) => t.bincount(i.flatten()),
  histc: ({ x }, t) => t.histc(x, 7, -2, 2),
  bucketize: ({ x, edges }, t) => t.bucketize(x, edges),
  searchsorted: ({ x, edges }, t) => t.searchsorted(edges, x),
  cat: ({ x, y }, t) => t.cat([x, y], 1),
  stack: ({ x, y }, t) => t.stack([x, y], 1),
  flip: ({ x }, t) => t.flip(x, [0, 1]),
  roll: ({ x }, t) => t.roll(x, [1, -2], [0, 1]),
  rot90: ({ x }, t) => t.rot90(x, 1, [0, 1]),
  transpose: ({ x }, t) => t.transpose(x, 0, 1).contiguous(),
  permute: ({ image }, t) => t.permute(image, [2, 0, 3, 1]).contiguous(),
  expand: ({ p }, t) => t.select(p, 0, 0).expand([3, 5]).contiguous(),
  repeat: ({ x }, t) => x.repeat([2, 3]).add(t.zeros([1], { device: x.device })),
  tile: ({ x }, t) => t.tile(x, [1, 2]),
  narrow: ({ x }, t) => t.narrow(x, 0, 1, 3),
  select: ({ x }, t) => t.select(x, 1, 2),
  index_select: ({ x, picks }, t) => t.index_select(x, 0, picks),
  gather: ({ x, i }, t) => t.gather(x, 1, i),
  scatter: ({ x, y, i }, t) => t.scatter(x, 1, t.argsort(i, 1), y),
  scatter_add: ({ x, y, i }, t) => t.scatter_add(x, 1, i, y),
  scatter_reduce: ({ x, y, i }, t) => t.scatter_reduce(x, 1, i, y, 'amax'),
  index_add: ({ x, picks, y }, t) => t.index_add(x, 0, picks, t.narrow(y, 0, 0, 3)),
  index_fill: ({ x, picks }, t) => t.index_fill(x, 0, picks, 2),
  masked_select: ({ x }, t) => t.masked_select(x, x.gt(0)),
  take: ({ x, picks }, t) => t.take(x, picks),
  diag_embed: ({ x }, t) => t.diag_embed(x),
  unfold: ({ x }) => x.unfold(1, 3, 1).contiguous(),
  kron: ({ x, y }, t) => t.kron(x, y),
  split: ({ x }, t) => t.cat(t.split(x, 2, 0).toReversed()),
  unbind: ({ x }, t) => t.stack(t.unbind(x, 1)),
  repeat_interleave: ({ x }, t) => t.repeat_interleave(x, 2, 0),
  matmul: ({ x, m }, t) => t.matmul(x, m),
  mv: ({ x }, t) => t.mv(x, t.select(x, 0, 0)),
  dot: ({ x }, t) => t.dot(t.select(x, 0, 0), t.select(x, 0, 1)),
  outer: ({ x }, t) => t.outer(t.select(x, 0, 0), t.select(x, 0, 1)),
  bmm: ({ image }, t) => t.bmm(t.flatten(image, 0, 1), t.flatten(image, 0, 1).transpose(1, 2)),
  addmm: ({ x, y, m }, t) => t.addmm(y, x, m, { beta: 0.5, alpha: 2 }),
  baddbmm: ({ image }, t) =>
    t.baddbmm(
      t.zeros([8, 9, 9], { device: image.device, dtype: image.dtype }),
      image.flatten(0, 1),
      image.flatten(0, 1).transpose(1, 2),
    ),
  einsum: ({ x, m }, t) => t.einsum('ij,jk->ki', [x, m]),
  tensordot: ({ x, y }, t) => t.tensordot(x, y, [0], [0]),
  linalg_qr: ({ m }, t) => t.abs(t.linalg_qr(m)[1]),
  linalg_solve: ({ m, x }, t) => t.linalg_solve(m, x.t()),
  linalg_solve_triangular: ({ s, x }, t) =>
    t.linalg_solve_triangular(t.linalg_cholesky(s), x.t(), { upper: false }),
  cholesky_solve: ({ s, x }, t) => t.cholesky_solve(x.t(), t.linalg_cholesky(s)),
  linalg_matrix_power: ({ m }, t) => t.linalg_matrix_power(m, 3),
  linalg_vector_norm: ({ x }, t) => t.linalg_vector_norm(x, 3, [1]),
  linalg_multi_dot: ({ x, m }, t) => t.linalg_multi_dot([x, m, m]),
  linear: ({ x, m }, t) => t.linear(x, m, t.select(m, 0, 0)),
  conv1d: ({ x, y }, t) => t.conv1d(x.t().unsqueeze(0), y.unsqueeze(2)),
  conv2d: ({ image, filters }, t) => t.conv2d(image, filters, null, [2, 1], [1, 2]),
  'conv2d, groups and dilation': ({ image, filters }, t) =>
    t.conv2d(image, t.narrow(filters, 1, 0, 2), null, [1, 1], [0, 0], [2, 2], 2),
  conv_transpose2d: ({ image, filters }, t) =>
    t.conv_transpose2d(image, t.transpose(filters, 0, 1), null, [2, 2]),
  max_pool2d: ({ image }, t) => t.max_pool2d(image, [3, 3], [2, 2], [1, 1]),
  avg_pool2d: ({ image }, t) => t.avg_pool2d(image, [3, 2], [2, 2]),
  adaptive_avg_pool2d: ({ image }, t) => t.adaptive_avg_pool2d(image, [2, 3]),
  adaptive_max_pool2d: ({ image }, t) => t.adaptive_max_pool2d(image, [2, 3]),
  'batch_norm in train mode': ({ image }, t) =>
    t.batch_norm(image, null, null, null, null, true, 0.1, 1e-5, true),
  layer_norm: ({ image }, t) => t.layer_norm(image, [9, 8]),
  group_norm: ({ image }, t) => t.group_norm(image, 2),
  instance_norm: ({ image }, t) => t.instance_norm(image, null, null, null, null, true, 0.1, 1e-5, true),
  embedding: ({ x, i }, t) => t.embedding(x, i),
  softmax: ({ x }, t) => t.softmax(x, 1),
  log_softmax: ({ x }, t) => t.log_softmax(x, 0),
  cross_entropy_loss: ({ x, labels }, t) => t.cross_entropy_loss(x, labels),
  nll_loss: ({ x, labels }, t) => t.nll_loss(t.log_softmax(x, 1), labels),
  kl_div: ({ x, u }, t) => t.kl_div(t.log_softmax(x, 1), u.abs()),
  upsample_bilinear2d: ({ image }, t) => t.upsample_bilinear2d(image, [13, 5], false),
  upsample_nearest2d: ({ image }, t) => t.upsample_nearest2d(image, [13, 5]),
  upsample_bicubic2d: ({ image }, t) => t.upsample_bicubic2d(image, [13, 5], false),
  grid_sampler: ({ image, grid }, t) => t.grid_sampler(image, grid, 0, 0, false),
  reflection_pad2d: ({ image }, t) => t.reflection_pad2d(image, [1, 2, 3, 1]),
  replication_pad2d: ({ image }, t) => t.replication_pad2d(image, [1, 2, 3, 1]),
  constant_pad_nd: ({ image }, t) => t.constant_pad_nd(image, [1, -1], 3),
  pixel_shuffle: ({ image }, t) => t.pixel_shuffle(image, 2),
  channel_shuffle: ({ image }, t) => t.channel_shuffle(image, 2),
  glu: ({ image }, t) => t.glu(image, 1),
  prelu: ({ x, p }, t) => t.prelu(x, t.select(p, 0, 0)),
  threshold: ({ x }, t) => t.threshold(x, 0.1, 20),
  im2col: ({ image }, t) => t.im2col(image, [3, 2], [1, 1], [1, 0], [2, 1]),
  scaled_dot_product_attention: ({ image }, t) => t.scaled_dot_product_attention(image, image, image),
  fft_fft: ({ x }, t) => t.fft_fft(x),
  fft_rfft: ({ x }, t) => t.fft_rfft(x),
  fft_irfft: ({ x }, t) => t.fft_irfft(t.fft_rfft(x)),
  fft_fft2: ({ image }, t) => t.fft_fft2(image),
  'abs, complex': ({ x, y }, t) => t.abs(t.complex(x, y)),
  'mul, complex': ({ x, y }, t) => t.mul(t.complex(x, y), t.complex(y, x)),
  one_hot: ({ i }, t) => t.one_hot(i, 6),
  _foreach_mul: ({ x, y }, t) => t.cat(t._foreach_mul([x, y], 3)),
}

export function operatorCalls() {
  const rows = []
  for (const [inputs, lists] of Object.entries(byName)) {
    for (const name of lists.join(' ').split(' ')) {
      if (/\d$/.test(name) && name in calls) continue
      rows.push([name, (given, t) => t[name](...[...inputs].map((input) => given[input]))])
    }
  }
  return [...rows, ...Object.entries(calls)]
}

/** Drawn on the CPU with a seed, so that all devices get the same numbers. */
export function operatorInputs({ torch }) {
  const generator = new torch.Generator(42)
  const randn = (...shape) => torch.randn(shape, { generator, dtype: 'float64' })
  const [x, y, square] = [randn(6, 5), randn(6, 5), randn(5, 5)]
  const int64 = { dtype: 'int64' }
  return {
    x,
    y,
    p: randn(6, 5).abs().add(0.1),
    u: randn(6, 5).tanh().mul(0.95),
    m: square.add(torch.eye(5, { dtype: 'float64' }).mul(6)),
    s: square.matmul(square.t()).add(torch.eye(5, { dtype: 'float64' })),
    image: randn(2, 4, 9, 8),
    filters: randn(6, 4, 3, 2),
    grid: randn(2, 4, 4, 2).tanh(),
    i: torch.randint(0, 5, [6, 5], { generator, ...int64 }),
    labels: torch.randint(0, 5, [6], { generator, ...int64 }),
    picks: torch.tensor([4, 0, 2], int64),
    edges: torch.tensor([-1, -0.2, 0.3, 1.1], { dtype: 'float64' }),
  }
}

export const checks = {
  async '200 operators in float64, against the CPU'({ sos, device, findings }) {
    const { scope, torch, Tensor } = sos
    const rows = operatorCalls()
    findings.same('the number of calls is at least 200', rows.length >= 200, true)
    const inputs = operatorInputs(sos)
    const there = Object.fromEntries(
      Object.entries(inputs).map(([name, tensor]) => [name, tensor.to({ device })]),
    )
    const flat = (value) => (value instanceof Tensor ? [value] : value)
    for (const [name, call] of rows) {
      scope(() => {
        try {
          const [given, expected] = [there, inputs].map((one) => flat(call(one, torch)))
          for (const [part, tensor] of expected.entries()) findings.close(name, given[part], tensor, 1e-9)
        } catch (error) {
          findings.same(name, `${error.code}: ${error.message}`.slice(0, 200), 'a result')
        }
      })
    }
  },
}
