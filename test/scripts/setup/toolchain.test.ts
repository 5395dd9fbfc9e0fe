import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { fakePython, makeBin } from '../../support/scratch-checkout.js'
import { scratchSetup, setupScript } from '../../support/scratch-setup.js'

const scratch = scratchSetup()

describe('tools', () => {
  it('names all that is missing at once, each with its remedy', async () => {
    makeBin(scratch.root, {
      'python3.12': 'exit 127',
      python3: fakePython(scratch.torch, [3, 9, 2]),
      cmake: 'echo cmake version 3.18.4',
    })
    const { code, stderr } = await scratch.setup({ PATH: join(scratch.root, 'bin') })
    expect(code).toBe(1)
    expect(stderr).toContain('Python 3.10 to 3.13 with venv')
    expect(stderr).toContain(`${join(scratch.root, 'bin/python3.12')} does not run`)
    expect(stderr).toContain(`${join(scratch.root, 'bin/python3')} is 3.9.2`)
    expect(stderr).toContain(`CMake 3.20 or newer\n    found: ${join(scratch.root, 'bin/cmake')}, 3.18.4`)
    expect(stderr).toContain('a C++20 compiler')
    expect(stderr).toContain('Ninja or Make')
    expect(stderr).toContain('  npm\n    found: no npm on PATH')
    if (process.platform === 'linux') {
      for (const name of ['python3 python3-venv', 'cmake', 'g++', 'ninja-build', 'npm']) {
        expect(stderr).toContain(`    Debian/Ubuntu: apt-get install ${name}\n`)
      }
    }
    expect(existsSync(join(scratch.root, 'node_modules'))).toBe(false)
  })

  it('names the venv package of a Python that has none, and a compiler that is too old', async () => {
    makeBin(scratch.root, { 'python3.11': fakePython(scratch.torch, [3, 11, 2], false), 'c++': 'exit 1' })
    const { stderr } = await scratch.setup({ PATH: join(scratch.root, 'bin') })
    expect(stderr).toContain('apt-get install python3.11-venv')
    expect(stderr).toContain(`${join(scratch.root, 'bin/c++')} does not compile C++20`)
  })

  it('refuses a Node that is too old', async () => {
    const { lackOfNode } = await setupScript('toolchain')
    expect(lackOfNode(scratch.root, '20.16.0').what).toBe('Node 20.17 or newer')
    expect(lackOfNode(scratch.root, '20.17.0')).toBeUndefined()
    expect(lackOfNode(scratch.root, '22.1.0')).toBeUndefined()
  })

  it('runs no more compilers than the memory has room for', async () => {
    const { compilerJobs } = await setupScript('addon')
    expect(compilerJobs(24 * 2 ** 30, 2)).toBe(2)
    expect(compilerJobs(4 * 2 ** 30, 16)).toBe(2)
    expect(compilerJobs(2 ** 29, 16)).toBe(1)
  })

  it('shows the first error of a long output', async () => {
    const { relevantLines } = await setupScript('command')
    const noise = Array.from({ length: 100 }, (_, index) => `compiling core/error.h ${index}`)
    expect(relevantLines([...noise, 'a.cpp:1:2: error: no', ...noise].join('\n'))).toMatch(
      /^.* 99\na.cpp:1:2: error: no\n/,
    )
    expect(relevantLines(noise.join('\n'), 2)).toBe('compiling core/error.h 98\ncompiling core/error.h 99')
  })
})
