import { SosError } from '../base/index.js'
import { type ArgumentSource, type ScriptModule, scope, Tensor, torch } from '../torch/index.js'

/**
 * Runs a model on images. If it fails, the error says what the model was given and what to do. A model that fails on
 * this many images but not on another number, such as a trace that holds the size of its batch, asks for that number.
 * Otherwise an error about shapes asks about the preprocessing.
 *
 * @param run the forward, and the check of what it returns; after a failure it is run again on other numbers of these
 *   images
 * @throws what `run` throws, with a longer message for `ERR_TORCH` and `ERR_OUTPUT_SHAPE`
 */
export async function onImages<T>(
  model: ScriptModule,
  images: Tensor,
  run: (images: Tensor) => Promise<T>,
): Promise<T> {
  try {
    return await run(images)
  } catch (error) {
    const { code } = error as { code?: string }
    if (code !== 'ERR_TORCH' && code !== 'ERR_OUTPUT_SHAPE') throw error
    const size = await sizeThatRuns(model, images, run)
    if (size !== null) throw withMore(error as Error, ofSize(images.shape[0]!, size))
    throw code === 'ERR_TORCH' ? ofShape(error as Error, images) : error
  }
}

/**
 * The error of a forward that may have failed because of the shape of its images, with that shape and a question about
 * it.
 */
export function ofShape(error: Error, { dtype, shape }: Tensor): Error {
  const given = `the model was given images ${dtype} [${shape.join(', ')}]`
  const isOfShape = /shape|size|dimension|channel|stack|broadcast|out of range/i.test(error.message)
  return withMore(
    error,
    isOfShape
      ? `${given}: is this the network's preprocessing (its number of channels, resize and crop; --preset, --resize, --crop)?`
      : given,
  )
}

/** The same error with one more line. */
export function withMore(error: Error, more: string): Error {
  const { code, submodule, line } = error as Error & { code: string; submodule?: string; line?: string }
  const longer = new SosError(code, `${error.message}\n  ${more}`, { cause: error })
  return Object.assign(longer, submodule === undefined ? {} : { submodule, line })
}

function ofSize(given: number, size: number): string {
  const divides = size === 1 ? '' : `, and a number of images that ${size} divides`
  return `it fails on ${given} ${given === 1 ? 'image' : 'images'} but runs on ${size}: a traced model may have the number of its images baked in; give it ${size} at a time by chunk: ${size} (--chunk ${size})${divides}`
}

/** Another number of images on which the model runs, the smallest that is found; null if there is none. */
async function sizeThatRuns<T>(
  model: ScriptModule,
  images: Tensor,
  run: (images: Tensor) => Promise<T>,
): Promise<number | null> {
  const given = images.shape[0]!
  for (const size of candidates(model)) {
    if (size === given) continue
    const runs = await scope(async () => {
      const places = torch.tensor(
        Array.from({ length: size }, (_, i) => i % given),
        { dtype: 'int64', device: images.device },
      )
      try {
        return hasRowsFor(size, await run(images.index_select(0, places)))
      } catch {
        return false
      }
    })
    if (runs) return size
  }
  return null
}

/**
 * Whether an output has a row for each image. A reshape may take the elements of three grey images for one in colour;
 * the output then has another number of rows.
 */
function hasRowsFor(size: number, output: unknown): boolean {
  if (output instanceof Tensor) return output.shape[0] === size
  if (Array.isArray(output) || output instanceof Map) {
    return [...output.values()].some((item) => hasRowsFor(size, item))
  }
  return false
}

/** Numbers by which a graph may mean the size of a batch: 1, and those among the constants of its calls. */
function candidates(model: ScriptModule): number[] {
  const sources = model.operatorCalls().flatMap((call) => Object.values(call.arguments))
  const sizes = new Set([1, ...sources.flatMap(numbersIn)])
  return [...sizes]
    .filter((size) => Number.isInteger(size) && size >= 1 && size <= 1024)
    .sort((a, b) => a - b)
    .slice(0, 16)
}

function numbersIn({ value, items = [], choices = [] }: ArgumentSource): number[] {
  const constants = [value].flat().filter((one) => typeof one === 'number')
  return [...constants, ...[...items, ...choices].flatMap(numbersIn)]
}
