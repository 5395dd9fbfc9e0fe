import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { makeBin, makeLibraries, write } from '../../support/scratch-checkout.js'
import { setupScript } from '../../support/scratch-setup.js'

const { createContext } = await setupScript('context')
const { librariesOf } = await setupScript('libraries')

const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch

/** Fakes of apt-get, which has lists of packages only in its own folder if `lists` is not there, and of dpkg-deb. */
const debian = (root: string) => ({
  'apt-get': `echo "apt-get $*" >> "${root}/calls"
for name; do :; done
case "$*" in
  *update*) exit 1 ;;
  *Dir::State=*) ;;
  *) [ -e "${root}/lists" ] || { echo 'Reading package lists...'; echo "E: Unable to locate package $name"; exit 100; } ;;
esac
[ -e "${root}/offline" ] && { echo 'E: Temporary failure resolving the server'; exit 100; }
echo "$name" > "$name"_1.0_any.deb`,
  'dpkg-deb': `case "$1" in
  --field) case "$2" in *libturbojpeg0-dev*) echo 'libturbojpeg0 (= 1.0), libc6 (>= 2)' ;; esac ;;
  --extract) mkdir -p "$3" && cp -r "${root}/packages/$(cat "$2")/." "$3" ;;
esac`,
})

interface Machine {
  root: string
  context: ReturnType<typeof createContext>
  said: string[]
  calls(): string[]
}

let scratch = ''
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'sos-libraries-'))
  return () => {
    vi.unstubAllEnvs()
    rmSync(scratch, { recursive: true, force: true })
  }
})

/** A checkout with core's tests, on a machine with these commands only. */
function machineWith(commands: (root: string) => Record<string, string>): Machine {
  const root = join(scratch, "a user's checkout")
  write(join(root, 'native/test/main.cpp'), '')
  write(join(root, 'packages/libturbojpeg0-dev/usr/include/turbojpeg.h'), '')
  const libraries = join(root, `packages/libturbojpeg0/usr/lib/${machine}-linux-gnu`)
  write(join(libraries, 'libturbojpeg.so.0.2.0'), 'the library')
  symlinkSync('libturbojpeg.so.0.2.0', join(libraries, 'libturbojpeg.so.0'))
  symlinkSync('libturbojpeg.so.0', join(libraries, 'libturbojpeg.so'))
  write(join(root, 'packages/doctest-dev/usr/include/doctest/doctest.h'), '')
  makeBin(root, commands(root))
  const tools = ['sh', 'cat', 'cp', 'mkdir', 'echo'].map((name) => [name, toolOf(name)] as const)
  for (const [name, path] of [...tools, ['node', process.execPath] as const])
    symlinkSync(path, join(root, 'bin', name))
  vi.stubEnv('PATH', join(root, 'bin'))
  const said: string[] = []
  const layout = { root, build: join(root, 'build'), command: 'npm run setup', isAskedFor: false }
  const context = {
    ...createContext(layout),
    say: (text: string) => said.push(text),
    timed: (_: string, work: () => Promise<void>) => work(),
  }
  mkdirSync(context.temporary, { recursive: true })
  write(context.log, '')
  const calls = () =>
    existsSync(join(root, 'calls')) ? readFileSync(join(root, 'calls'), 'utf8').trim().split('\n') : []
  return { root, context, said, calls }
}

function toolOf(name: string): string {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return join(folders.find((folder) => existsSync(join(folder, name)))!, name)
}

const missing = {
  TURBOJPEG_INCLUDE: 'TURBOJPEG_INCLUDE-NOTFOUND',
  TURBOJPEG_LIBRARY: 'TURBOJPEG_LIBRARY-NOTFOUND',
  DOCTEST_INCLUDE: 'DOCTEST_INCLUDE-NOTFOUND',
}

describe.skipIf(process.platform === 'darwin')('the libraries', () => {
  it('are taken from where they are', async () => {
    const { root, context, calls } = machineWith(debian)
    const system = join(root, 'system')
    makeLibraries(system)
    write(join(system, 'include/doctest/doctest.h'), '')
    const libraries = librariesOf([join(root, 'nothing'), system])
    expect(libraries.isPresent(context)).toBe(true)
    expect(libraries.variables(context)).toEqual({
      TURBOJPEG_INCLUDE: join(system, 'include'),
      TURBOJPEG_LIBRARY: join(system, 'lib/libturbojpeg.so'),
      DOCTEST_INCLUDE: join(system, 'include'),
    })
    await libraries.run(context)
    expect(calls()).toEqual([])
    libraries.copyFetched(context, context.temporary)
    expect(readdirSync(context.temporary)).toEqual([])
    rmSync(join(system, 'lib'), { recursive: true }) // a header without its library is of no use
    expect(libraries.variables(context)).toEqual({ ...missing, DOCTEST_INCLUDE: join(system, 'include') })
  })

  it('are fetched beside the build, and copied beside the addon', async () => {
    const { root, context, calls, said } = machineWith(debian)
    write(join(root, 'lists'), '')
    const libraries = librariesOf([])
    expect(libraries.isPresent(context)).toBe(false)
    expect(libraries.variables(context)).toEqual(missing)
    await libraries.run(context)
    expect(said).toEqual([])
    expect(calls().map((call) => call.replace(/.* /, ''))).toEqual([
      'libturbojpeg0-dev',
      'libturbojpeg0',
      'doctest-dev',
    ])
    expect(libraries.isPresent({ ...context, isAskedFor: true })).toBe(true)
    const fetched = join(root, 'build/libraries')
    expect(libraries.variables(context)).toEqual({
      TURBOJPEG_INCLUDE: join(fetched, 'libturbojpeg/usr/include'),
      TURBOJPEG_LIBRARY: join(fetched, `libturbojpeg/usr/lib/${machine}-linux-gnu/libturbojpeg.so`),
      DOCTEST_INCLUDE: join(fetched, 'doctest/usr/include'),
    })
    const folder = join(root, 'beside')
    mkdirSync(folder)
    libraries.copyFetched(context, folder)
    expect(readdirSync(folder)).toEqual(['libturbojpeg.so.0'])
    expect(readFileSync(join(folder, 'libturbojpeg.so.0'), 'utf8')).toBe('the library')
  })

  it('are fetched with lists of their own if the system has none', async () => {
    const { context, calls, said } = machineWith(debian)
    const libraries = librariesOf([])
    await libraries.run(context)
    expect(said).toEqual([])
    expect(libraries.isPresent(context)).toBe(true)
    const kinds = calls().map(
      (call) => `${call.includes('Dir::State=') ? 'own ' : ''}${/update|download/.exec(call)}`,
    )
    // The server's answer to `update` is not trusted: of several servers, one may fail.
    expect(kinds).toEqual(['download', 'own update', ...Array(3).fill('own download')])
  })

  it('are missed in one line, and not looked for again until the user asks', async () => {
    const { root, context, calls, said } = machineWith(debian)
    write(join(root, 'offline'), '')
    const libraries = librariesOf([])
    await libraries.run(context)
    expect(said).toHaveLength(2)
    expect(said[0]).toMatch(
      /^libturbojpeg is missing, and apt-get could not fetch it \(E: Temporary failure .*\)\. Without it, sharp .* twice the time\. Install it \(Debian, Ubuntu: libturbojpeg0-dev; .*\), or run `npm run setup` again later$/,
    )
    expect(said[1]).toMatch(/^doctest is missing.* core's own tests are left out/)
    expect(libraries.variables(context)).toEqual(missing)
    expect(libraries.isPresent(context)).toBe(true)
    const asked = { ...context, isAskedFor: true }
    expect(libraries.isPresent(asked)).toBe(false)

    rmSync(join(root, 'offline'))
    await libraries.run(asked)
    expect(said).toHaveLength(2)
    expect(libraries.isPresent(asked)).toBe(true)
    expect(readdirSync(join(root, 'build/libraries')).sort()).toEqual(['doctest', 'libturbojpeg'])
    expect(calls().length).toBeGreaterThan(0)
  })

  it('are fetched anew after an interruption, and cannot be fetched without apt-get', async () => {
    const { root, context, said } = machineWith((root) => ({ 'dpkg-deb': debian(root)['dpkg-deb'] }))
    cpSync(join(root, 'packages/libturbojpeg0-dev'), join(root, 'build/libraries/libturbojpeg.unfinished'), {
      recursive: true,
    })
    const libraries = librariesOf([])
    expect(libraries.variables(context)).toEqual(missing)
    await libraries.run(context)
    expect(said[0]).toContain('libturbojpeg is missing, and this system has no apt-get to fetch it with')
    write(join(root, 'lists'), '')
    makeBin(root, debian(root))
    await libraries.run(context)
    expect(dirname(libraries.variables(context).TURBOJPEG_INCLUDE)).toBe(
      join(root, 'build/libraries/libturbojpeg/usr'),
    )
  })

  it('do not include those of tests where there are no tests', async () => {
    const { root, context } = machineWith(debian)
    rmSync(join(root, 'native/test'), { recursive: true })
    const { DOCTEST_INCLUDE, ...others } = missing
    expect(librariesOf([]).variables(context)).toEqual(others)
  })
})
