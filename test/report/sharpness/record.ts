import type { ModelSharpness, SharpnessRecord } from '../../../src/report/index.js'

/** Eigenvalues of a given size, the last of which has not converged. */
function eigenvalues(scale: number) {
  return [5, 2, 1, 0.5, -0.2, 0.1].map((value, i) => ({
    value: scale * value,
    residual: i === 5 ? 0.05 : 1e-6,
    converged: i !== 5,
  }))
}

const ball = { loss: 0.2, rho: 0.05, adaptive: false, samples: 4096 }

function model(name: string, scale: number): ModelSharpness {
  return {
    model: `runs/${name}`,
    trace: {
      value: 10 * scale,
      standardError: 1.5,
      probeStandardError: 0.25,
      samples: 4096,
      sampling: 'uniform',
      probes: 1,
      method: 'by image',
      byLayer: [
        { path: 'conv', value: 7 * scale, standardError: 1 },
        { path: 'fc', value: 3 * scale, standardError: 0.5 },
      ],
    },
    eigenvalues: eigenvalues(scale),
    products: 40,
    floor: 3e-7,
    density: {
      nodes: [-0.2, 0, 0.1, 0.4],
      weights: [0.1, 0.6, 0.2, 0.08],
      outliers: [
        { value: 5 * scale, residual: 1e-6, converged: true },
        { value: 2 * scale, residual: 1e-6, converged: true },
      ],
      size: 100,
      products: 60,
    },
    worstCase: { value: 0.4 * scale, standardError: 0.05, ...ball, steps: 10, gradientNorm: 0.3 },
    average: { value: 0.01 * scale, standardError: 0.002, probeStandardError: 0.001, ...ball, probes: 16 },
    withoutGradient: [],
  }
}

/** A record of two models that has everything. */
export const record: SharpnessRecord & { difference: { trace: object } } = {
  ...model('before.pt', 1),
  dataset: 'CIFAR-10',
  operator: 'hessian',
  size: 100,
  samples: 4096,
  seed: 0,
  compare: model('after.pt', 0.9),
  difference: {
    trace: {
      value: 0.3,
      standardError: 1.9,
      probeStandardError: 0.2,
      method: 'paired over the images',
      byLayer: [
        { path: 'conv', value: -0.1, standardError: 1.2 },
        { path: 'fc', value: 0.4, standardError: 0.15 },
      ],
    },
    worstCase: { value: -0.04, standardError: 0.03 },
    average: { value: -0.001, standardError: 0.0002, probeStandardError: 0.0001 },
  },
}

/** A record of one model that has only what is named. */
export function only(
  ...parts: ('trace' | 'eigenvalues' | 'density' | 'worstCase' | 'average')[]
): SharpnessRecord {
  const { compare, difference, trace, eigenvalues, products, floor, density, ...others } = record
  const { worstCase, average, ...rest } = others
  return {
    ...rest,
    ...(parts.includes('trace') && { trace }),
    ...(parts.includes('eigenvalues') && { eigenvalues, products, floor }),
    ...(parts.includes('density') && { density }),
    ...(parts.includes('worstCase') && { worstCase }),
    ...(parts.includes('average') && { average }),
  }
}
