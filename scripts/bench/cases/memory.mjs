import { bounded, memoryCourse } from '../statistics.mjs'

export const description =
  'that resident memory stays flat over long runs without dispose(); exit code 1 where it grows'

/** More would only make them wait for other processes; memory is the same. */
export const threads = 1

/** Megabytes that the end of a run may be above its beginning; what is less than 1 is taken for 1 in the ratio. */
const bound = { bound: 64, floor: 1 }

/** Iterations of each case; `--scale 0.01` makes it a hundredth. */
const counts = {
  'a million operators on 1 MB, one synchronous loop': 1_000_000,
  '10,000 async forwards, every fourth recorded': 10_000,
  '1,000 loads of a module': 1_000,
}

/** Each case in a process of its own, once: rounds tell nothing here. */
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

  /** Resident bytes at 200 moments; between them runs `step`, which yields only if it is async itself. */
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
