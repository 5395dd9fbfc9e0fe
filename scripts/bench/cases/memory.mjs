import { bounded, memoryCourse } from '../statistics.mjs'

export const description =
  'whether resident memory stays the same over long runs without dispose(); exit code 1 if it grows'

/** More threads would only wait for other processes. The memory is the same. */
export const threads = 1

/** The growth that is allowed over a run, in megabytes. A growth below 1 counts as 1 in the ratio. */
const bound = { bound: 64, floor: 1 }

/** The number of iterations of each case; `--scale 0.01` takes a hundredth of them. */
const counts = {
  'a million operators on 1 MB, one synchronous loop': 1_000_000,
  '10,000 async forwards, every fourth recorded': 10_000,
  '1,000 loads of a module': 1_000,
}

/** Runs each case once, in its own process: more rounds would show nothing new. */
export async function measure(context) {
  const rows = []
  for (const name of context.select(Object.keys(counts))) {
    const { child } = await context.startOurs()
    const iterations = Math.max(samples, Math.round(counts[name] * context.scale))
    context.log(`${name}: ${iterations} iterations …`)
    const { value, seconds } = await child.request({ case: name, iterations })
    await child.stop()
    const { growth, early, final, peak } = memoryCourse(value.resident)
    rows.push({
      case: name,
      unit: 'MB grown',
      ...bounded({ ...bound, ours: growth }),
      also: { iterations, seconds, before: value.before / 2 ** 20, early, final, peak },
    })
  }
  return rows
}

const samples = 200

export async function cases() {
  const { ScriptModule, torch } = await import('../../../dist/index.js')
  const { noGrad } = torch
  const path = new URL('../../../assets/fashion-resnet.pt', import.meta.url).pathname

  /** Records the resident bytes 200 times. Between these times it runs `step`, and yields to the event loop only if `step` is asynchronous. */
  const watched = (step) => ({
    run(n) {
      const before = process.memoryUsage.rss()
      const resident = []
      for (let sample = 0, i = 0; sample < samples; sample++) {
        for (; i < ((sample + 1) * n) / samples; i++) step()
        resident.push(process.memoryUsage.rss())
      }
      return { before, resident }
    },
  })
  const watchedAsync = (step) => ({
    async run(n) {
      const before = process.memoryUsage.rss()
      const resident = []
      for (let sample = 0, i = 0; sample < samples; sample++) {
        for (; i < ((sample + 1) * n) / samples; i++) await step(i)
        resident.push(process.memoryUsage.rss())
      }
      return { before, resident }
    },
  })

  const x = torch.zeros([2 ** 18])
  const images = torch.zeros([8, 1, 28, 28])
  let model
  const steps = [
    watched(() => x.add(1)),
    watchedAsync(async (i) => {
      model ??= (await ScriptModule.load(path)).eval()
      if (i % 4 === 0) await model.forward(images)
      else await noGrad(() => model.forward(images))
    }),
    watchedAsync(() => ScriptModule.load(path)),
  ]
  return Object.fromEntries(Object.keys(counts).map((name, i) => [name, steps[i]]))
}
