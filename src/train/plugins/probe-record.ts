/** What the training probes measure after an epoch: the curves of the paper's Figures 3 and 4. */
export interface EpochProbe {
  /** tr(H) of the mean training loss over a fixed sample; null where it was not asked for. */
  readonly trace: {
    readonly trace: number
    readonly standardError: number
    /** `gauss-newton`: its first-order form, the same number where the network is piecewise linear; `hessian`: by HVPs. */
    readonly by: 'gauss-newton' | 'hessian'
  } | null
  /** ‖V‖, Frobenius, of the weight of the linear layer that makes the output. */
  readonly weightNorm: number
  /** Over the fixed sample of training images, in eval mode. */
  readonly train: { readonly loss: number; readonly accuracy: number }
  /** Neural collapse of the fixed sample's features (Papyan, Han and Donoho 2020). */
  readonly collapse: {
    readonly nc1: number
    readonly nc2: number
    readonly nc3: number
    readonly nc4: number
  } | null
}
