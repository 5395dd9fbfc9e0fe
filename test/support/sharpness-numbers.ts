import type { ScriptModule, Tensor } from '../../src/index.js'
import { vectors } from './datasets.js'
import { sos } from './doors.js'
import {
  anyWhole,
  type Case,
  count,
  finite,
  fromZero,
  list,
  nonNegative,
  options,
  positive,
  share,
  trace,
} from './slips.js'

const data = vectors(20)
const all = [...data.labels.keys()]
const density = { nodes: [0], weights: [1], outliers: [], size: 1, products: 1 }

const survey = { samples: count, seed: anyWhole, chunk: count }
const neighbourhood = { rho: positive, eta: nonNegative, samples: count, seed: anyWhole, chunk: count }
const measured = {
  ...{ model: 'a.pt', eigenvalues: [], withoutGradient: [], dataset: 'x', samples: 64, seed: 0, size: 9 },
  operator: 'hessian' as const,
}
const perSample = { samples: count, probes: [...count, 1e9], seed: anyWhole, chunk: count }

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
    ...operators(model),
    ...options(
      'worstCaseSharpness options',
      { ...neighbourhood, steps: count, stepSize: positive },
      (given) => sos.worstCaseSharpness(model(), data, given),
    ),
    ...options('averageSharpness options', { ...neighbourhood, probes: [...count, 1, 1e9] }, (given) =>
      sos.averageSharpness(model(), data, given),
    ),
    ...options('perSampleTrace options', perSample, (given) => sos.perSampleTrace(model(), data, given)),
    'sharpnessTables options.most': [fromZero, (most) => sos.sharpnessTables(measured, { most })],
    ...options('comparePerSampleTraces options', perSample, (given) =>
      sos.comparePerSampleTraces(model(), model(), data, given),
    ),
    ...options('compareHeads options', perSample, (given) => {
      const { path } = sos.linearLayer(model())
      const [weight, bias] = ['weight', 'bias'].map((own) => model().namedParameters().get(`${path}.${own}`)!)
      return sos.compareHeads(model(), path, [{ weight: weight!, bias: bias! }], data, given)
    }),
    ...options('hutchinsonTrace options', { probes: [...count, 1], seed: anyWhole }, (given: object) =>
      sos.hutchinsonTrace(hessian(), { probes: 2, seed: 0, ...given }),
    ),
    ...options(
      'hutchPlusPlus options',
      { products: [...count, 3, 7, 3 * 2 ** 40], seed: anyWhole },
      (given: object) => sos.hutchPlusPlus(hessian(), { products: 6, seed: 0, ...given }),
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
    ...options('landscape options', { ...survey, grid: [...count, 1002], range: positive }, (given) =>
      sos.landscape(model(), [], data, given),
    ),
    ...options('compareLandscapes options', { ...survey, grid: [...count, 1002], range: positive }, (given) =>
      sos.compareLandscapes(model(), model(), data, given),
    ),
    ...options('lossLine options', { ...survey, points: [...count, 1], range: nonNegative }, (given) =>
      sos.lossLine(model(), model(), data, given),
    ),
    'densityAt points': [list(finite), (points) => sos.densityAt(density, points, 1)],
    'densityAt sigma': [positive, (sigma) => sos.densityAt(density, [0], sigma)],
  }
}

function operators(model: () => ScriptModule): Record<string, Case> {
  const { hessian, gaussNewton, fisher, empiricalFisher, residualHessian } = sos
  const weights = ({ values }: { values: Tensor }) => values
  const makers = {
    ...{ hessian, gaussNewton, fisher, empiricalFisher, residualHessian },
    activationHessian: ((own, dataset, indices, given) =>
      sos.activationHessian(own, dataset, indices, weights, given)) as typeof hessian,
  }
  return Object.assign(
    {},
    ...Object.entries(makers).map(([name, make]) => ({
      [`${name} indices`]: [list(fromZero), (indices: number[]) => make(model(), data, indices)],
      ...options(`${name} options`, { chunk: count, graphBytes: nonNegative }, (given) =>
        make(model(), data, all, given),
      ),
    })),
  )
}
