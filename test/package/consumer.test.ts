import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { root, temporaryFolder } from '../support/paths.js'
import { pack, packBeside } from '../support/tarball.js'

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

/** The libtorch of this checkout. An addon can only be packed if it is one for the CPU. */
const libtorch = JSON.parse(readFileSync(`${root}/build/setup.json`, 'utf8'))

/** The README's first program, in a project that has the demo's network from npm. */
const firstDoor = readFileSync(`${root}/examples/checkpoint.ts`, 'utf8').replace(
  'assets/',
  'node_modules/@optimum-shifting/demo/',
)

/** Loads the demo's network in CommonJS, by `require` if this Node has it for ES modules. */
const commonDoor = `
const demo = require.resolve('@optimum-shifting/demo/package.json')
const { join, dirname } = require('node:path')

async function main() {
  const { ScriptModule, torch } = await import('optimum-shifting')
  if (process.features.require_module && require('optimum-shifting').torch !== torch) throw new Error('two copies')
  const network = (await ScriptModule.load(join(dirname(demo), 'fashion-resnet.pt'))).eval()
  console.log((await network.forward(torch.zeros([2, 1, 28, 28]))).shape)
}
main()
`

describe('a project that installs the tarballs', { timeout: 300_000 }, () => {
  const folder = temporaryFolder()
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const path = (...parts: string[]) => join(folder, ...parts)
  // Without a compiler, CMake and Python on PATH.
  const env = { PATH: path('bin'), HOME: path('home'), OMP_NUM_THREADS: '1' }
  const node = (...args: string[]) => run(process.execPath, args, { cwd: folder, env })
  const command = (...args: string[]) => node(path('node_modules/.bin/optimum-shifting'), ...args)
  const npm = (...args: string[]) =>
    run('npm', [...args, '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: folder })

  beforeAll(async () => {
    const [{ filename }, ...beside] = await Promise.all([
      pack(folder),
      packBeside('demo'),
      ...(libtorch.variant === 'cpu' ? [packBeside('addon')] : []),
    ])
    writeFileSync(path('package.json'), '{ "private": true, "type": "module" }')
    const compilers = ['ts59@npm:typescript@5.9', 'ts6@npm:typescript@6', 'ts7@npm:typescript@7']
    await npm('install', path(filename), ...beside, '@types/node@22', ...compilers)
    mkdirSync(path('bin'))
    symlinkSync(process.execPath, path('bin/node'))
  }, 300_000)

  it('gets no package that is only for types, and no compiler', () => {
    const installed = readdirSync(path('node_modules'))
    expect(installed).toContain('commander')
    expect(installed.filter((name) => ['rxjs', 'typed-emitter', 'typescript'].includes(name))).toEqual([])
  })

  const compile = (compiler: string, project: string, options: object, files: Record<string, string>) => {
    mkdirSync(path(project), { recursive: true })
    for (const [name, text] of Object.entries(files)) writeFileSync(path(project, name), text)
    // TypeScript's newest library that Node 20 has, and none of the browser.
    const common = { strict: true, target: 'es2023', lib: ['es2023'], skipLibCheck: false }
    const settings = { compilerOptions: { ...common, ...options }, files: Object.keys(files) }
    writeFileSync(path(project, 'tsconfig.json'), JSON.stringify(settings))
    return node(path('node_modules', compiler, 'bin/tsc'), '-p', path(project)).then(
      () => '',
      ({ stdout }) => stdout,
    )
  }

  it.each(
    Object.entries(compilers).flatMap(([title, compiler]) =>
      Object.entries(resolutions).map(([name, settings]) => ({ title, compiler, name, settings })),
    ),
  )('compiles with $title and $name, without skipLibCheck', async ({ compiler, name, settings }) => {
    const files = { 'program.ts': program, ...(name === 'nodenext' ? { 'common.cts': commonProgram } : {}) }
    const options = { ...settings, noEmit: true }
    expect(await compile(compiler, `${compiler}-${name}`, options, files)).toBe('')
  })

  it('names the command that sets it up, before that was run', async () => {
    writeFileSync(path('door.cjs'), commonDoor)
    await expect(node('door.cjs')).rejects.toMatchObject({
      stderr: expect.stringContaining('run `npx optimum-shifting setup`'),
    })
  })

  it.runIf(libtorch.variant === 'cpu')(
    "runs the README's first program, also after npm ci, with a prebuilt addon and without a compiler",
    async () => {
      const { stderr } = await command('setup', '--libtorch', libtorch.torchRoot)
      expect(stderr).toMatch(/the addon is prebuilt: @optimum-shifting\/[\w.-]+ \d/)
      expect(readdirSync(path('home/.cache'))).toEqual(['optimum-shifting'])

      expect(await compile('ts7', '.', resolutions.nodenext, { 'door.ts': firstDoor })).toBe('')
      for (const when of ['before npm ci', 'after it']) {
        if (when === 'after it') await npm('ci')
        // The shape of the hooked layer's output, the number of products, and the shape of the pseudoinverse.
        expect((await node('door.js')).stdout).toMatch(/^\[ 8, \d+, \d+, \d+ \]\n\d+ \[ 9, 5 \]\n$/)
        expect((await node('door.cjs')).stdout).toBe('[ 2, 10 ]\n')
      }
    },
  )

  it('has the command under both names, and finds the network of the demo or asks for it', async () => {
    for (const name of ['optimum-shifting', 'sos']) {
      const { stdout } = await node(path('node_modules/.bin', name), '--help')
      expect(stdout).toMatch(/^Usage: sos \[options\] \[command\]/)
    }
    const assets = path('node_modules/optimum-shifting/dist/cli/shared/demo-assets.js')
    const { demoAssets } = await import(assets)
    expect(existsSync(demoAssets().network) && existsSync(demoAssets().images)).toBe(true)
    rmSync(path('node_modules/@optimum-shifting/demo'), { recursive: true })
    await expect(command('demo')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^sos: expected the demo's network .* run `npm i @optimum-shifting\/demo`\n$/,
      ),
    })
  })
})
