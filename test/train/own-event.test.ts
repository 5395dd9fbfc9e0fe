import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { demoModel, fashionMnist, root } from '../support/paths.js'

const run = promisify(execFile)

/** A plugin as a package of its own would have it: it knows the trainer by the package's exports alone. */
const plugin = `
import type { Plugin, WaitingEvent } from 'optimum-shifting/train'

declare module 'optimum-shifting/train' {
  interface EventTypes {
    pruned: WaitingEvent & { readonly share: number }
  }
}

export function pruneDuringTraining(share: number): Plugin {
  return (trainer) => {
    trainer.on('epochEnd', () => trainer.tell('pruned', { share }))
  }
}
`

const program = `
import { idxFolder, preprocessOf, ScriptModule, sgd, subset, Trainer } from 'optimum-shifting'
import { pruneDuringTraining } from './plugin.js'

const model = await ScriptModule.load(${JSON.stringify(demoModel)})
const whole = await idxFolder(${JSON.stringify(fashionMnist)}, 'train', preprocessOf(model))
const data = subset(whole, [0, 1, 2, 3])
const trainer = new Trainer(model, { data, epochs: 2, batchSize: 4, optimizer: sgd({ learningRate: 0.01 }) })
trainer.use(pruneDuringTraining(0.25))
trainer.on('pruned', async ({ trainer: teller, epoch, step, share, waitUntil }) => {
  waitUntil(Promise.resolve())
  const told: number = share
  console.log(teller === trainer, epoch, step, told)
})
await trainer.run()
`

const wrong = `
import type { Trainer } from 'optimum-shifting'
import './plugin.js'

export async function listen(trainer: Trainer): Promise<void> {
  trainer.on('pruned', ({ shares }) => shares)
  trainer.on('prunned', () => {})
  await trainer.tell('pruned', { share: '1' })
}
`

describe('a plugin in a package of its own', () => {
  // Below the package's own folder, so that Node and TypeScript find it by its name, in dist/, through its exports.
  const folder = mkdtempSync(`${root}/build/own-event-`)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const check = (file: string) => {
    const compilerOptions = { rootDir: '.', outDir: '.', declaration: false, sourceMap: false }
    const settings = { extends: '../../tsconfig.json', compilerOptions, include: [file], exclude: [] }
    writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(settings))
    const tsc = run(process.execPath, [`${root}/node_modules/typescript/bin/tsc`, '-p', folder])
    return tsc.then(() => '').catch(({ stdout }: { stdout: string }) => stdout)
  }

  beforeAll(() => {
    writeFileSync(`${folder}/plugin.ts`, plugin)
    writeFileSync(`${folder}/program.ts`, program)
    writeFileSync(`${folder}/wrong.ts`, wrong)
  })

  it('adds an event, whose type the trainer knows and which its listeners hear', async () => {
    expect(await check('program.ts')).toBe('')
    const { stdout } = await run(process.execPath, [`${folder}/program.js`], { cwd: root })
    expect(stdout.trim().split('\n')).toEqual(['true 0 1 0.25', 'true 1 2 0.25'])
  })

  it('has its event checked as the own ones of the trainer', async () => {
    const errors = await check('wrong.ts')
    expect(errors).toMatch(/Property 'shares' does not exist/)
    expect(errors).toMatch(/'"prunned"' is not assignable/)
    expect(errors).toMatch(/Type 'string' is not assignable to type 'number'/)
  })
})
