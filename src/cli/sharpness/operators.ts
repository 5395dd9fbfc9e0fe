import type { Progress } from '../../data/index.js'
import type { ModelOperator } from '../../sharpness/index.js'
import { library } from '../shared/library.js'
import type { SharpnessOptions, Subject } from './requests.js'

/** An operator whose own progress can be listened to. */
export interface HeardOperator extends ModelOperator {
  /** Calls `listener` with the progress of each product while `body` runs. */
  hearing<T>(listener: (progress: Progress) => void, body: () => Promise<T>): Promise<T>
}

/** Makes the operator that the options name. */
export async function makeOperator(
  { model, dataset }: Subject,
  indices: readonly number[],
  options: SharpnessOptions,
): Promise<HeardOperator> {
  const { empiricalFisher, fisher, gaussNewton, hessian } = await library()
  const make = { hessian, ggn: gaussNewton, fisher, 'empirical-fisher': empiricalFisher }[options.operator]
  const { device, outputs, output, chunk, parameters } = options
  let listener: ((progress: Progress) => void) | undefined
  const operator = make(model, dataset, indices, {
    ...{ device, outputs, chunk },
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
