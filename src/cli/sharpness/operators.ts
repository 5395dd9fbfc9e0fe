import type { Progress } from '../../data/index.js'
import type { ModelOperator } from '../../sharpness/index.js'
import { library } from '../shared/library.js'
import type { SharpnessOptions, Subject } from './requests.js'

/** An operator whose own progress can be listened to. */
export interface HeardOperator extends ModelOperator {
  /** Calls `listener` with the progress of each product while `body` runs. */
  hearing<T>(listener: (progress: Progress) => void, body: () => Promise<T>): Promise<T>
}

/** Makes the operator that the options name, or the part of the Hessian that its Gauss-Newton matrix leaves out. */
export async function makeOperator(
  { model, dataset }: Subject,
  indices: readonly number[],
  options: SharpnessOptions,
  which: SharpnessOptions['operator'] | 'rest' = options.operator,
): Promise<HeardOperator> {
  const { empiricalFisher, fisher, gaussNewton, hessian, residualHessian } = await library()
  const makers = { hessian, ggn: gaussNewton, fisher, 'empirical-fisher': empiricalFisher }
  const make = which === 'rest' ? residualHessian : makers[which]
  const { device, outputs, output, chunk, parameters } = options
  let listener: ((progress: Progress) => void) | undefined
  const operator = make(model, dataset, indices, {
    ...{ device, outputs },
    ...(chunk !== undefined && { chunk }),
    ...(output !== undefined && { output }),
    ...(parameters !== undefined && { parameters }),
    onProgress: (progress) => listener?.(progress),
  })
  return Object.assign(operator, {
    async hearing<T>(heard: (progress: Progress) => void, body: () => Promise<T>): Promise<T> {
      listener = heard
      try {
        return await body()
      } finally {
        listener = undefined
      }
    },
  })
}
