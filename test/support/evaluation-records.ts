import { join } from 'node:path'
import { expect } from 'vitest'
import type { Dataset } from '../../src/data/index.js'
import { EvaluationRecord, evaluationSubject } from '../../src/evaluate/index.js'
import { evaluateAll, idxFolder, preprocessOf, ScriptModule } from '../../src/index.js'

import { demoModel, fashionMnist, temporaryFolder } from './paths.js'

export const folder = temporaryFolder()
export const options = { limit: 130, chunk: 20 }

/** The dataset of the tests, in which every 17th image of those below 1000 is corrupt, and the first twenty asked for all are. */
export async function prepare() {
  const model = await ScriptModule.load(demoModel)
  const preprocess = preprocessOf(model)
  const test = await idxFolder(fashionMnist, 'test', preprocess)
  const bad = (index: number) => index < 300 || (index < 1000 && index % 17 === 0)
  const loaded: number[] = []
  const dataset: Dataset = {
    ...test,
    async load(asked) {
      loaded.push(...asked)
      return {
        ...(await test.load(asked.filter((index) => !bad(index)))),
        skipped: asked.filter(bad).map((index) => ({ index, path: `é${index}.jpg`, reason: 'corrupt' })),
      }
    },
  }
  const subject = await evaluationSubject([demoModel, demoModel], dataset, preprocess, options)
  return { models: [model, await model.clone()], dataset, subject, loaded }
}

/** A whole record, and what was evaluated with it. */
export async function whole(name: string) {
  const prepared = await prepare()
  const path = join(folder, name)
  const record = EvaluationRecord.create(path, prepared.subject)
  const evaluations = await evaluateAll(prepared.models, prepared.dataset, { ...options, record })
  record.close()
  prepared.loaded.length = 0
  return { ...prepared, path, evaluations }
}

export const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })
