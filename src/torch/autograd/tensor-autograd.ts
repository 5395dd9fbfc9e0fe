import { AsyncResource } from 'node:async_hooks'
import { expectFunction, expectObject, SosError } from '../../base/index.js'
import { setGradEnabled } from '../context/context.js'
import { type HookHandle, hookHandle } from '../context/hook-handle.js'
import { binding } from '../native/binding.js'
import type { TensorHandle } from '../native/handles.js'
import { extendTensor } from '../tensor/extend.js'
import { expectTensor, handleOf, Tensor } from '../tensor/tensor.js'
import { type BackwardOptions, backward } from './autograd.js'

/** The members of a tensor that concern gradients. */
export interface TensorAutograd {
  /**
   * The gradient that calls of `backward` have added up in this leaf, or null. The next `backward` adds to the same memory: set it to null
   * before each step. It throws `ERR_BUSY` while a gradient that depends on this tensor is pending: await that first.
   */
  grad: Tensor | null

  /**
   * Adds the gradients of this tensor to the `grad` of the leaves that it depends on, off the event loop. As Python's
   * `tensor.backward(gradient)`.
   *
   * @param options those of `torch.autograd.backward`, and `gradient`: a tensor of this tensor's shape. Default: 1, which only a tensor with
   *   one element allows.
   * @throws as `torch.autograd.backward`
   * @example
   * const w = torch.tensor([1, 2], { requiresGrad: true })
   * await w.square().sum().backward()
   * console.log(w.grad)
   * // → tensor([2., 4.])
   */
  backward(options?: BackwardOptions & { gradient?: Tensor }): Promise<void>

  /**
   * Calls `hook` with the gradient with respect to this tensor each time that one is computed. The backward waits for the hook, which runs on
   * this thread. If the hook throws, the backward rejects with the same error.
   *
   * @param hook a synchronous function; what it returns, if anything, replaces the gradient
   * @returns a handle that removes the hook
   * @throws `ERR_BUSY` as for `grad`, `ERR_TORCH` when the tensor does not require gradients; the backward rejects with `ERR_HOOK_RESULT` if
   *   the hook returns something else than a tensor
   * @example
   * const w = torch.tensor([1, 2], { requiresGrad: true })
   * const doubled = w.mul(2)
   * doubled.registerHook((gradient) => gradient.clamp({ max: 3 }))
   * await doubled.square().sum().backward()
   * console.log(w.grad)
   * // → tensor([6., 6.])
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a function without `return` returns void to TypeScript
  registerHook(hook: (gradient: Tensor) => Tensor | undefined | void): HookHandle
}

declare module '../tensor/tensor.js' {
  interface Tensor extends TensorAutograd {}
}

extendTensor<TensorAutograd>({
  get grad() {
    const handle = binding.tensorGrad(handleOf(this))
    return handle === null ? null : new Tensor(handle)
  },

  set grad(gradient) {
    if (gradient !== null) expectTensor('grad', gradient)
    binding.tensorSetGrad(handleOf(this), gradient === null ? null : handleOf(gradient))
  },

  backward(options = {}) {
    expectObject('options', options)
    const { gradient, ...rest } = options
    return backward([this], gradient === undefined ? rest : { ...rest, gradOutputs: [gradient] })
  },

  registerHook(hook) {
    expectFunction('hook', hook)
    // The hook runs in the context of its registration, but records operators for gradients only if the backward does.
    const listener = AsyncResource.bind((gradient: TensorHandle, recording: boolean) => {
      const answer: unknown = setGradEnabled(recording, () => hook(new Tensor(gradient)))
      if (answer === undefined) return undefined
      if (answer instanceof Tensor) return handleOf(answer)
      throw new SosError(
        'ERR_HOOK_RESULT',
        `expected the hook of a gradient to return a Tensor or nothing but it returned ${answer instanceof Promise ? 'a promise; make it synchronous' : typeof answer}`,
      )
    })
    return hookHandle(binding.tensorRegisterHook(handleOf(this), listener))
  },
})
