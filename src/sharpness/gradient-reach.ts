import { SosError } from '../base/index.js'
import { type ScriptModule, scope, type Tensor, torch } from '../torch/index.js'
import { eachOnce, matchPaths } from '../torch/internal.js'

/**
 * Finds which parameters a model's logits depend on as autograd sees it, by one backward of random numbers. Without
 * this check, the trace of a model whose gradient reaches nothing would be 0 ± 0.
 *
 * @param logits with their graph, which is kept
 * @param glob the names that were asked for, if not all
 * @returns the names of the parameters that are left out: they require no gradient, or none reaches them
 * @throws `ERR_NO_GRADIENT` if the gradient reaches no parameter, or is zero in all of them
 */
export async function expectReach(
  model: ScriptModule,
  trained: ReadonlyMap<string, Tensor>,
  logits: Tensor,
  glob?: string,
): Promise<string[]> {
  const refuse = (why: string): never => {
    throw new SosError('ERR_NO_GRADIENT', `${model.path}: no gradient reaches its parameters: ${why}`)
  }
  const cut = 'its code cuts the output off, for example by detach, no_grad, .data or whole numbers'
  if (!logits.requiresGrad) return refuse(cut)
  return scope(async () => {
    const random = torch.randn([...logits.shape], { generator: new torch.Generator(0), dtype: 'float64' })
    const gradients = await torch.autograd.grad([logits], [...trained.values()], {
      gradOutputs: [random.to({ device: logits.device, dtype: logits.dtype })],
      retainGraph: true,
      allowUnused: true,
    })
    const reached = new Set([...trained.keys()].filter((_, i) => gradients[i] !== null))
    if (reached.size === 0) return refuse(cut)
    // NaN differs from 0.
    const some = gradients.some((gradient) => gradient !== null && gradient.ne(0).any().item() === 1)
    if (!some) return refuse('it is zero in all of them, for example through round, sign or argmax')
    const names = [...eachOnce(model.namedParameters()).keys()]
    return (glob === undefined ? names : matchPaths(glob, names)).filter((name) => !reached.has(name))
  })
}
