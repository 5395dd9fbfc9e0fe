import { commandLine } from '../shared/command-line.js'
import { untilInterrupted } from '../shared/interrupt.js'
import { library } from '../shared/library.js'
import { withProgress } from '../shared/progress.js'
import type { HeardOperator } from './operators.js'
import type { SharpnessOptions } from './requests.js'

const defaultTop = 10

/** So many eigenvalues are computed by themselves for the density: about one for each class stands out of the rest. */
const densityOutliers = 10

/**
 * The largest eigenvalues, as the record has them.
 *
 * @param resume the file from which they continue, and to which their state is written
 */
export async function eigenvaluesOf(
  path: string,
  operator: HeardOperator,
  options: SharpnessOptions,
  resume: string | undefined,
) {
  const { topEigenvalues } = await library()
  const { top: count = defaultTop, tolerance, maxProducts, seed } = options
  let done = 0
  const search = (signal?: AbortSignal) =>
    withProgress(
      `eigenvalues ${path}`,
      (update) =>
        topEigenvalues(operator, {
          ...{ count, seed },
          ...(tolerance !== undefined && { tolerance }),
          ...(maxProducts !== undefined && { maxProducts }),
          ...(resume !== undefined && { resume }),
          ...(signal !== undefined && { signal }),
          onProgress: (progress) => {
            done = progress.done
            update(progress)
          },
        }),
      { atMost: true },
    )
  const message = () => `interrupted after ${done} products; continue with: ${commandLine()}`
  const found = await (resume === undefined ? search() : untilInterrupted(message, search))
  const { eigenvalues, products, floor } = found
  return { eigenvalues: [...eigenvalues], products, floor }
}

/** The density of the eigenvalues, as the record has it. */
export async function densityOf(path: string, operator: HeardOperator, options: SharpnessOptions) {
  const { spectralDensity } = await library()
  const { densityProbes: probes = 4, densitySteps: steps = 80, seed } = options
  const outliers = Math.min(densityOutliers, operator.size - 1)
  const found = await withProgress(`density ${path}`, (onProgress) =>
    spectralDensity(operator, { probes, steps, outliers, seed, onProgress }),
  )
  const { nodes, weights, size, products } = found
  return {
    density: { nodes: [...nodes], weights: [...weights], outliers: [...found.outliers], size, products },
  }
}
