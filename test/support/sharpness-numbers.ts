import type { ScriptModule } from '../../src/index.js'
import { vectors } from './datasets.js'
import { sos } from './doors.js'
import {
  anyWhole,
  type Case,
  count,
  finite,
  fromZero,
  list,
  options,
  positive,
  share,
  trace,
} from './slips.js'

const data = vectors(20)
const all = [...data.labels.keys()]
const density = { nodes: [0], weights: [1], outliers: [], size: 1, products: 1 }

/** The numbers that functions of `sharpness` take, for test/numbers.test.ts. */
export function sharpnessNumbers(model: () => ScriptModule): Record<string, Case> {
  const hessian = () => sos.hessian(model(), data, all)
  return {
    ...options('compareTraces options', trace, (given) => sos.compareTraces(model(), model(), data, given)),
    ...options('gaussNewtonTrace options', trace, (given) => sos.gaussNewtonTrace(model(), data, given)),
    ...options('hessianTrace options', trace, (given) => sos.hessianTrace(model(), data, given)),
    ...options('lastLayerTrace options', { samples: count, seed: anyWhole, chunk: count }, (given) =>
      sos.lastLayerTrace(model(), sos.linearLayer(model()).path, data, given),
    ),
    'hessian indices': [list(fromZero), (indices) => sos.hessian(model(), data, indices)],
    ...options('hessian options', { chunk: count }, (given) => sos.hessian(model(), data, all, given)),
    ...options('hutchinsonTrace options', { probes: [...count, 1], seed: anyWhole }, (given: object) =>
      sos.hutchinsonTrace(hessian(), { probes: 2, seed: 0, ...given }),
    ),
    ...options('xTrace options', { products: [...count, 5, 2 ** 40], seed: anyWhole }, (given: object) =>
      sos.xTrace(hessian(), { products: 4, seed: 0, ...given }),
    ),
    ...options(
      'topEigenvalues options',
      { count, tolerance: share, maxProducts: count, basisSize: [...count, 2], seed: anyWhole },
      (given) => sos.topEigenvalues(hessian(), given),
    ),
    ...options(
      'spectralDensity options',
      { probes: count, steps: count, outliers: [...fromZero, 1e9], seed: anyWhole },
      (given) => sos.spectralDensity(hessian(), given),
    ),
    'densityAt points': [list(finite), (points) => sos.densityAt(density, points, 1)],
    'densityAt sigma': [positive, (sigma) => sos.densityAt(density, [0], sigma)],
  }
}
