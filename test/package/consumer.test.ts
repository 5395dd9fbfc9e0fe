import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { temporaryFolder } from '../support/paths.js'
import { pack, packDemo } from '../support/tarball.js'

const run = promisify(execFile)

/** A program that imports every entry point and listens to a trainer, and lines that must not compile. */
const program = `
import * as root from 'optimum-shifting'
import * as data from 'optimum-shifting/data'
import * as evaluate from 'optimum-shifting/evaluate'
import * as model from 'optimum-shifting/model'
import * as report from 'optimum-shifting/report'
import * as sharpness from 'optimum-shifting/sharpness'
import * as shift from 'optimum-shifting/shift'
import * as torch from 'optimum-shifting/torch'
import { Trainer, type WaitingEvent } from 'optimum-shifting/train'

declare module 'optimum-shifting/train' {
  interface EventTypes {
    pruned: WaitingEvent & { readonly share: number }
  }
}

export const doors = [root, data, evaluate, model, report, sharpness, shift]

export function listen(trainer: Trainer): root.Trainer {
  trainer.once('runStart', ({ epochs, trainer }) => epochs satisfies number && trainer satisfies Trainer)
  trainer.on('evaluation', ({ evaluation }) => evaluation.top1 satisfies number)
  trainer.on('pruned', ({ share, epoch }) => [share, epoch] satisfies number[])
  // @ts-expect-error: there is no such event
  trainer.on('epochEnds', () => undefined)
  // @ts-expect-error: the event has no such field
  trainer.on('epochEnd', ({ path }) => path)
  // @ts-expect-error: the listener takes another argument than the event
  trainer.on('epochEnd', (epoch: number) => epoch)
  return trainer.on('shift', ({ shift }) => shift.rank satisfies number).off('error', ({ error }) => error)
}

export async function compute(): Promise<torch.Tensor> {
  using sum = torch.torch.ones([2, 3]).add(1, { alpha: 2 })
  // @ts-expect-error: a shape is a list of numbers
  torch.torch.ones('2')
  return torch.torch.async.linalg_pinv(sum, { rtol: 1e-6 })
}
`

/** A CommonJS program, which TypeScript compiles to calls of `require`. */
const commonProgram = `
import { type Tensor, torch } from 'optimum-shifting'
import { Trainer } from 'optimum-shifting/train'

export const listen = (trainer: Trainer) => trainer.on('epochEnd', ({ loss }) => loss satisfies number)
export const ones: Tensor = torch.ones([2])
`

const compilers = { 'TypeScript 5.9': 'ts59', 'TypeScript 6': 'ts6', 'TypeScript 7': 'ts7' }
const resolutions = {
  nodenext: { module: 'nodenext', moduleResolution: 'nodenext' },
  bundler: { module: 'esnext', moduleResolution: 'bundler' },
}

describe('a project that installs the tarballs', () => {
  const folder = temporaryFolder()
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  beforeAll(async () => {
    const [{ filename }, demo] = await Promise.all([pack(folder), packDemo()])
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
    const compilers = ['ts59@npm:typescript@5.9', 'ts6@npm:typescript@6', 'ts7@npm:typescript@7']
    const packages = [join(folder, filename), demo, '@types/node@22', ...compilers]
    const options = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts']
    await run('npm', [...options, ...packages], { cwd: folder })
  }, 300_000)

  it('gets no package that is only for types, and no compiler', () => {
    const installed = readdirSync(join(folder, 'node_modules'))
    expect(installed).toContain('commander')
    expect(installed.filter((name) => ['rxjs', 'typed-emitter', 'typescript'].includes(name))).toEqual([])
  })

  it.each(
    Object.entries(compilers).flatMap(([title, compiler]) =>
      Object.entries(resolutions).map(([name, settings]) => ({ title, compiler, name, settings })),
    ),
  )('compiles with $title and $name, without skipLibCheck', async ({ compiler, name, settings }) => {
    const project = join(folder, `${compiler}-${name}`)
    mkdirSync(project)
    writeFileSync(join(project, 'program.ts'), program)
    writeFileSync(join(project, 'common.cts'), commonProgram)
    // TypeScript's newest library, which Node 20 has, and none of the browser.
    const own = { strict: true, target: 'es2023', lib: ['es2023'], skipLibCheck: false, noEmit: true }
    const files = ['program.ts', ...(name === 'nodenext' ? ['common.cts'] : [])]
    const compilerOptions = { ...own, ...settings }
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    const tsc = join(folder, 'node_modules', compiler, 'bin/tsc')
    const errors = await run(process.execPath, [tsc, '-p', project]).then(
      () => '',
      ({ stdout }) => stdout,
    )
    expect(errors).toBe('')
  })

  it('has the command under both names, and a demo that asks for its network', async () => {
    const command = (name: string, ...args: string[]) =>
      run(join(folder, 'node_modules/.bin', name), args, { cwd: folder })
    for (const name of ['optimum-shifting', 'sos'])
      expect((await command(name, '--help')).stdout).toMatch(/^Usage: sos \[options\] \[command\]/)
    rmSync(join(folder, 'node_modules/@optimum-shifting/demo'), { recursive: true })
    await expect(command('sos', 'demo')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^sos: expected the demo's network .* run `npm i @optimum-shifting\/demo`\n$/,
      ),
    })
  })
})
