import { describe, expect, it } from 'vitest'
import { runStudy, ScriptModule, sampleIndices, type Tensor, torch } from '../../../src/index.js'

import { vectors } from '../../support/datasets.js'
import { denseNetwork, measuredByHand } from '../../support/dense-study.js'
import { fixture } from '../../support/paths.js'
import { randn } from '../../support/random.js'

const load = () => ScriptModule.load(fixture('mlp.scripted.pt'))
const [train, validation] = [vectors(40), { ...vectors(70), name: 'others' }]
const norm = (tensor: Tensor) => tensor.square().sum().sqrt().item()
const largest = (tensor: Tensor) => tensor.abs().max().item()

describe('the controls of a study', () => {
  it('are those of the first variant, made from its own V*, with pools and seeds of the study', async () => {
    const study = await runStudy(await load(), train, validation, {
      batchSizes: [4, 3],
      draws: 2,
      seed: 6,
      samplings: ['uniform', 'stratified'],
      biases: ['absorb', 'fixed'],
      policies: [
        { policy: 'fixed', rank: 2 },
        { policy: 'tolerance', tolerance: 1e-9 },
      ],
      controls: true,
    })
    const { of, v, bias } = await denseNetwork(await load())
    expect(study.controls.map(({ batchSize, seed, method }) => [batchSize, seed, method])).toEqual(
      [3, 4].flatMap((size) =>
        [6, 7].flatMap((seed) => ['shrink', 'pca', 'random', 'ridge'].map((method) => [size, seed, method])),
      ),
    )
    const needed = new Set(
      [6, 7].flatMap((seed) =>
        (['uniform', 'stratified'] as const).flatMap((sampling) =>
          sampleIndices(train, { size: 4, sampling, seed }),
        ),
      ),
    )
    const pool = await of(
      train,
      [...needed].sort((x, y) => x - y),
    )
    const [, vectorsOfPool] = torch.linalg_eigh(pool.t().matmul(pool))
    const features = await of(validation, [...Array(70).keys()])
    const labels = [...validation.labels]
    for (const control of study.controls) {
      const shift = study.rows.find(
        ({ batchSize, seed, sampling, bias: mode, policy }) =>
          [batchSize, seed, sampling, mode, policy].join() ===
          [control.batchSize, control.seed, 'uniform', 'absorb', 'fixed:2'].join(),
      )!
      expect(control).toMatchObject({
        policy: 'fixed:2',
        sampling: 'uniform',
        bias: 'fixed',
        singularValues: null,
        rolledBack: null,
        normBefore: shift.normBefore,
        classesCovered: shift.classesCovered,
        rank: control.method === 'pca' || control.method === 'random' ? 2 : null,
      })
      expect(control.test.adjustedPValue).toBe(control.test.pValue)
      if (control.method === 'ridge') expect(control.lambda).toBeGreaterThan(0)
      else expect(control.lambda).toBeNull()
      const made = {
        shrink: () => v.mul(shift.normAfter / norm(v)),
        pca: () => {
          const top = vectorsOfPool.narrow(1, 6, 2)
          return top.matmul(top.t().matmul(v))
        },
        random: () => {
          const span = randn([8, 2], control.seed, 'float64')
          return span.matmul(torch.linalg_solve(span.t().matmul(span), span.t().matmul(v)))
        },
        ridge: () => null,
        shift: () => null,
      }[control.method]()
      if (made === null) {
        expect(control.normAfter).toBeCloseTo(shift.normAfter, 8)
        continue
      }
      expect(control.normAfter).toBeCloseTo(norm(made), 9)
      const after = features.matmul(made).add(bias)
      const { loss, drift } = measuredByHand(features.matmul(v).add(bias), after, labels)
      expect(control.score.loss).toBeCloseTo(loss, 9)
      expect(control.drift).toEqual(drift)
      const a = await of(
        train,
        sampleIndices(train, { size: control.batchSize, sampling: 'uniform', seed: control.seed }),
      )
      expect(control.batchLogitChange).toBeCloseTo(largest(a.matmul(made.sub(v))), 9)
    }
  })

  it('say where ridge is the shift itself', async () => {
    const study = await runStudy(await load(), train, validation, {
      batchSizes: [3],
      draws: 2,
      policies: [{ policy: 'tolerance', tolerance: 1e-9 }],
      controls: true,
    })
    const ridge = study.controls.filter(({ method }) => method === 'ridge')
    for (const row of ridge) {
      expect(row.lambda).toBe(0)
      expect(row.warnings).toEqual([expect.stringMatching(/^λ .*0/)])
    }
    for (const row of study.controls.filter(({ method }) => method !== 'ridge'))
      expect(row.warnings).toEqual([])
    const summary = study.summaries.find(({ method }) => method === 'ridge')!
    expect([summary.undamped, summary.draws, summary.rank]).toEqual([2, 2, null])
  })
})
