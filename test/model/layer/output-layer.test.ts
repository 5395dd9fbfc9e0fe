import { describe, expect, it } from 'vitest'
import { outputLayer, ScriptModule } from '../../../src/index.js'
import { linearLayer, shiftableLayer } from '../../../src/shift/index.js'

import { dataRoot, fixture } from '../../support/paths.js'

const load = (name: string) => ScriptModule.load(fixture(`${name}.pt`))
const head = (name: string) => load(`heads.${name}`)

describe('outputLayer', () => {
  it.each<[string, string, string[], string | null]>([
    ['Plain', 'fc', [], null],
    ['Helper', 'fc', [], null],
    ['Nested', 'fc.0.0', [], null],
    ['TwoInARow', 'fc.1', [], null],
    ['CalledTwice', 'fc', [], null],
    ['Listed', 'fc', [], '[0]'],
    ['Keyed', 'fc', [], "['logits']"],
    ['AuxInTraining', 'fc', [], '[0]'],
    ['Taken', 'model.fc', [], null],
    ['FirstTaken', 'fc', [], null],
    ['Forked', 'fc', [], null],
    ['ByFlag', 'fc', [], null],
    ['SameByData', 'fc', [], null],
    ['Softmax', 'fc', ['aten::softmax'], null],
    ['LogSoftmax', 'fc', ['aten::log_softmax'], null],
    ['Squeezed', 'fc', ['aten::squeeze', 'aten::flatten'], null],
    ['Tokens', 'fc', ['aten::mean'], null],
    ['Old', 'fc', [], null],
    ['ByTranspose', 'fc', [], null],
    ['ByPermute', 'fc', [], null],
    ['OldWithoutBias', 'fc', [], null],
    ['OldTokens', 'fc', ['aten::mean'], null],
    ['traced_old', 'fc', [], null],
    ['traced_old_tokens', 'fc', ['aten::mean'], null],
    ['traced_tokens', 'fc', ['aten::mean'], null],
    ['traced_softmax', 'fc', ['aten::softmax'], null],
    ['traced_keyed', 'fc', [], "['logits']"],
    ['traced_called_twice', 'fc', [], null],
  ])('of %s is %s, up to %j, at %j', async (name, path, steps, item) => {
    const model = await head(name)
    for (const training of [false, true]) {
      expect(outputLayer(model.train(training))).toMatchObject({ layer: { path }, steps, item })
    }
    expect(shiftableLayer(model).path).toBe(path)
  })

  it.each([
    ['Appended', 'changed after it is made'],
    ['KeyedLater', 'returns no tensor'],
    ['LogitsAndFeatures', "returns 2 tensors: [0] by 'fc', [1] by 'hidden'"],
    ['ByData', "a condition at run time decides what makes it: aten::linear with 'other.weight', or"],
    ['SoftmaxByData', "'fc.weight' and aten::softmax"],
    ['SoftmaxTwice', "aten::softmax in the code of the model itself makes it, of 'fc'"],
    ['LogOfSoftmax', "aten::log in the code of the model itself makes it, of 'fc'"],
    ['Sigmoid', 'aten::sigmoid'],
    ['TokensOfSoftmax', 'aten::softmax'],
    ['TokensFirst', 'aten::mean'],
    ['FirstToken', 'aten::select'],
    ['Scaled', "aten::mul in the code of the model itself makes it, of 'fc'"],
    ['Temperature', 'aten::div'],
    ['Offset', 'aten::add'],
    ['ScaledInPlace', "aten::mul_ in the code of the model itself writes over the output of 'fc'"],
    ['traced_scaled_in_place', "aten::mul_ in the code of the model itself makes it, of 'fc'"],
    ['WrittenInPart', "aten::copy_ in the code of the model itself writes over the output of 'fc'"],
    ['Residual', "aten::add in the code of the model itself makes it, of 'fc' and 'skip'"],
    ['Distilled', "aten::div in the code of the model itself makes it, of 'fc' and 'fc_dist'"],
    ['Cosine', "'fc' makes it, and its own code changes its input first by aten::div"],
    ['CosineOfBoth', "aten::linear in the code of 'fc' makes it, with a weight that is computed at run time"],
    ['ScaledItself', "aten::mul in the code of 'fc' makes it"],
    ['Product', "aten::matmul in the code of the model itself makes it, of 'hidden'"],
    ['FunctionOfRoot', "from the parameter 'fc.weight' directly, without a layer whose inputs"],
    ['Looped', 'only prim::Loop'],
    ['SquaredIntoItself', 'aten::mul in the code of the model itself writes over'],
    ['traced_weight_norm', 'computed at run time by aten::_weight_norm'],
    ['Rounded', 'aten::round'],
    ['FeaturesTaken', "aten::tanh in the code of 'model' makes it"],
    ['TakenAndScaled', 'aten::mul_ in the code of the model itself writes over'],
    ['ChangedByData', "aten::mul in the code of the model itself makes it, of 'fc'"],
    ['ScalarBias', "'fc' makes it, and its bias has the shape [1] instead of [3]"],
    ['BufferBias', 'its bias is a buffer'],
    ['NotTransposed', 'aten::addmm'],
    ['ForgottenBias', 'its own code does not add its bias'],
    ['BiasByData', 'a condition at run time decides whether it adds its bias'],
    ['traced_tied_bias', 'its bias is tied: it is that of another layer'],
  ])('of %s is none: %s', async (name, reason) => {
    const model = await head(name)
    expect(() => outputLayer(model)).toThrow(
      expect.objectContaining({ code: 'ERR_NO_OUTPUT_LAYER', message: expect.stringContaining(reason) }),
    )
    expect(() => shiftableLayer(model)).toThrow(expect.objectContaining({ code: 'ERR_NO_OUTPUT_LAYER' }))
  })

  it('names the layers that could be meant', async () => {
    const model = await head('Residual')
    expect(() => outputLayer(model)).toThrow("linear layers: 'hidden', 'fc', 'skip'; 2-d convolutions: none")
    const convolution = await head('ConvolutionHead')
    expect(() => outputLayer(convolution)).toThrow("a convolution makes it, 'head'")
    expect(() => outputLayer(convolution)).toThrow("linear layers: 'hidden'; 2-d convolutions: 'head'")
  })

  it('is refused if its weight is tied, and a layer that is named if it is not quite one', async () => {
    const tied = await head('Tied')
    const code = expect.objectContaining({ code: 'ERR_NOT_SHIFTABLE' })
    expect(outputLayer(tied).layer.path).toBe('fc')
    expect(() => shiftableLayer(tied)).toThrow(code)
    for (const [name, reason] of [
      ['WeightChosenBefore', 'something else reads it too'],
      ['PartOfAnother', 'something else reads it too'],
      ['Expanded', 'elements of its weight lie in one place of memory'],
    ] as const) {
      const model = await head(name)
      expect(outputLayer(model).layer.path).toBe('fc')
      expect(() => shiftableLayer(model), name).toThrow(code)
      expect(() => shiftableLayer(model, 'fc'), name).toThrow(reason)
    }
    expect(shiftableLayer(await head('OneBlock')).path).toBe('fc')
    for (const name of ['Cosine', 'CosineOfBoth', 'ScaledItself', 'traced_weight_norm']) {
      const model = await head(name)
      expect(() => linearLayer(model, 'fc')).toThrow(code)
      expect(() => shiftableLayer(model, 'fc')).toThrow(code)
    }
  })

  it.skipIf(dataRoot === undefined)(
    'is refused in the files of public reports, with what makes the output',
    async () => {
      const reasons = {
        weight_norm_old_head: 'aten::_weight_norm',
        spectral_norm_head: 'computed at run time by aten::div',
        head_by_addmm: "aten::addmm in the code of the model itself makes it from the parameter 'weight'",
        head_by_f_linear_in_root: "from the parameter 'weight'",
        dyn_quant: 'shift the model before it is quantised',
        conv_head: "a convolution makes it, 'classifier'",
        se_then_conv_head: "a convolution makes it, 'classifier'",
        aux_head_after: "returns 2 tensors: [0] by 'fc', [1] by 'aux'",
        aux_head_first: "of 'fc' and 'aux'",
        two_heads: "of 'head' and 'head_dist'",
        false_cert: 'aten::_weight_norm',
        tied: "aten::add in the code of the model itself makes it, of 'fc'",
      }
      for (const [name, reason] of Object.entries(reasons)) {
        const model = await ScriptModule.load(`${dataRoot}/outside/models/${name}.pt`)
        expect(() => linearLayer(model), name).toThrow(reason)
      }
      const tokens = await ScriptModule.load(`${dataRoot}/outside/models/linear_on_tokens.pt`)
      expect(outputLayer(tokens)).toMatchObject({ layer: { path: 'fc' }, steps: ['aten::mean'] })
    },
  )
})
