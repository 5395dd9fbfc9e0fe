export const description =
  'what a call of an operator costs, compared with the same call in Python; one thread'
export const threads = 1
export const figure = { unit: 'µs', of: (seconds) => seconds * 1e6 }
export const targets = {
  'add 2×2': 0.75,
  'matmul 64×64': 1,
  'chain of 10, 64×64': 1,
  'chain of 10, 64×64, recorded': 1,
}

/** Nothing is disposed of by hand, as in most programs: the garbage collector's work is part of the measurement. */
export async function cases({ device = 'cpu' } = {}) {
  const { scope, torch } = await import('../../../dist/index.js')
  const { Generator, noGrad } = torch
  const randn = (shape, seed) => torch.randn(shape, { generator: new Generator(seed) }).to({ device })
  const [a, b] = [randn([2, 2], 1), randn([2, 2], 2)]
  const [x, w, bias] = [randn([64, 64], 3), randn([64, 64], 4), randn([64], 5)]
  const [mean, std] = [
    randn([64], 6),
    torch
      .rand([64], { generator: new Generator(7) })
      .add(1)
      .to({ device }),
  ]
  const trained = { w: w.clone(), bias: bias.clone() }
  trained.w.requiresGrad = true
  trained.bias.requiresGrad = true

  const chain = ({ w, bias }) =>
    x.matmul(w).add(bias).relu().mul(0.125).sub(mean).div(std).tanh().transpose(0, 1).softmax(-1).sum()

  const add = (n) => {
    for (let i = 0; i < n; i++) a.add(b)
  }
  return {
    'add 2×2': { run: add, result: () => a.add(b) },
    'add 2×2, dispose()': {
      run(n) {
        for (let i = 0; i < n; i++) a.add(b).dispose()
      },
      result: () => a.add(b),
    },
    'matmul 64×64': {
      run(n) {
        for (let i = 0; i < n; i++) x.matmul(w)
      },
      result: () => x.matmul(w),
    },
    'matmul 64×64, dispose()': {
      run(n) {
        for (let i = 0; i < n; i++) x.matmul(w).dispose()
      },
      result: () => x.matmul(w),
    },
    'chain of 10, 64×64': {
      run(n) {
        for (let i = 0; i < n; i++) chain({ w, bias })
      },
      result: () => chain({ w, bias }),
    },
    'chain of 10, 64×64, in a scope': {
      run(n) {
        for (let i = 0; i < n; i++) scope(() => void chain({ w, bias }))
      },
      result: () => chain({ w, bias }),
    },
    'chain of 10, 64×64, recorded': {
      run(n) {
        for (let i = 0; i < n; i++) chain(trained)
      },
      result: () => chain(trained),
    },
    // This must be the last case: from the first noGrad on, Node keeps the async context of each operator's call.
    'add 2×2 in noGrad': { run: (n) => noGrad(() => add(n)), result: () => noGrad(() => a.add(b)) },
  }
}
