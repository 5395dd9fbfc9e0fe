import { type Tensor, torch } from '../../torch/index.js'

/** Those that are there. */
export function present(gradients: readonly (Tensor | null)[]): Tensor[] {
  return gradients.filter((gradient) => gradient !== null)
}

/** The 2-norm of all gradients together, a scalar on their device. */
export function gradientNorm(gradients: readonly Tensor[]): Tensor {
  return torch.stack(torch._foreach_norm([...gradients], 2)).norm()
}
