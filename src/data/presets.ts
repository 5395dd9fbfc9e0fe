import type { Preprocess } from './preprocess.js'

/**
 * The image preprocessing of torchvision's classifiers, by their names. It is from the metadata of the published weights
 * (`torchvision.models.get_model_weights(name)` of torchvision 0.28); a test compares this table with it.
 *
 * `resnet50` is the preprocessing of the weights `IMAGENET1K_V1`, or of the default weights if there is no V1. All further weights have keys
 * of their own, such as `resnet50.IMAGENET1K_V2`.
 */
export const presets: Readonly<Record<string, Preprocess>> = {
  ...named(
    imagenet(256, 224),
    `alexnet
    densenet121 densenet161 densenet169 densenet201
    googlenet
    mnasnet0_5 mnasnet1_0
    mobilenet_v2 mobilenet_v3_large mobilenet_v3_small
    regnet_x_400mf regnet_x_800mf regnet_x_1_6gf regnet_x_3_2gf regnet_x_8gf regnet_x_16gf regnet_x_32gf
    regnet_y_400mf regnet_y_800mf regnet_y_1_6gf regnet_y_3_2gf regnet_y_8gf regnet_y_16gf regnet_y_32gf
    resnet18 resnet34 resnet50 resnet101 resnet152
    resnext50_32x4d resnext101_32x8d
    shufflenet_v2_x0_5 shufflenet_v2_x1_0
    squeezenet1_0 squeezenet1_1
    vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn
    vit_b_16 vit_b_32 vit_l_32
    wide_resnet50_2 wide_resnet101_2`,
  ),
  ...named(
    imagenet(232, 224),
    `convnext_base convnext_large
    mnasnet0_75 mnasnet1_3
    resnext101_64x4d
    shufflenet_v2_x1_5 shufflenet_v2_x2_0`,
  ),
  ...named(
    imagenet(232, 224),
    `mobilenet_v2 mobilenet_v3_large
    regnet_x_400mf regnet_x_800mf regnet_x_1_6gf regnet_x_3_2gf regnet_x_8gf regnet_x_16gf regnet_x_32gf
    regnet_y_400mf regnet_y_800mf regnet_y_1_6gf regnet_y_3_2gf regnet_y_8gf regnet_y_16gf regnet_y_32gf
    resnet50 resnet101 resnet152
    resnext50_32x4d resnext101_32x8d
    wide_resnet50_2 wide_resnet101_2`,
    '.IMAGENET1K_V2',
  ),

  convnext_small: imagenet(230, 224),
  convnext_tiny: imagenet(236, 224),

  efficientnet_b0: imagenet(256, 224, 'bicubic'),
  efficientnet_b1: imagenet(256, 240, 'bicubic'),
  'efficientnet_b1.IMAGENET1K_V2': imagenet(255, 240),
  efficientnet_b2: imagenet(288, 288, 'bicubic'),
  efficientnet_b3: imagenet(320, 300, 'bicubic'),
  efficientnet_b4: imagenet(384, 380, 'bicubic'),
  efficientnet_b5: imagenet(456, 456, 'bicubic'),
  efficientnet_b6: imagenet(528, 528, 'bicubic'),
  efficientnet_b7: imagenet(600, 600, 'bicubic'),
  efficientnet_v2_s: imagenet(384, 384),
  efficientnet_v2_m: imagenet(480, 480),
  efficientnet_v2_l: { ...imagenet(480, 480, 'bicubic'), mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },

  inception_v3: imagenet(342, 299),
  maxvit_t: imagenet(224, 224, 'bicubic'),

  ...named(imagenet(384, 384, 'bicubic'), 'regnet_y_16gf regnet_y_32gf vit_b_16', '.IMAGENET1K_SWAG_E2E_V1'),
  ...named(
    imagenet(224, 224, 'bicubic'),
    'regnet_y_16gf regnet_y_32gf regnet_y_128gf vit_b_16 vit_l_16 vit_h_14',
    '.IMAGENET1K_SWAG_LINEAR_V1',
  ),
  regnet_y_128gf: imagenet(384, 384, 'bicubic'),
  vit_l_16: imagenet(242, 224),
  'vit_l_16.IMAGENET1K_SWAG_E2E_V1': imagenet(512, 512, 'bicubic'),
  vit_h_14: imagenet(518, 518, 'bicubic'),

  swin_t: imagenet(232, 224, 'bicubic'),
  swin_s: imagenet(246, 224, 'bicubic'),
  swin_b: imagenet(238, 224, 'bicubic'),
  ...named(imagenet(260, 256, 'bicubic'), 'swin_v2_t swin_v2_s'),
  swin_v2_b: imagenet(272, 256, 'bicubic'),

  // Caffe's features of VGG-16: pixels from 0 to 255 minus their mean.
  'vgg16.IMAGENET1K_FEATURES': {
    ...imagenet(256, 224),
    mean: [0.48235, 0.45882, 0.40784],
    std: [1 / 255, 1 / 255, 1 / 255],
  },
}

/** Resizes the shorter side to `resize`, cuts a square of side `crop`, and normalises with ImageNet's mean and deviation. */
function imagenet(
  resize: number,
  crop: number,
  interpolation: Preprocess['interpolation'] = 'bilinear',
): Preprocess {
  return { channels: 3, resize, interpolation, crop, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
}

/** The same preprocessing under each of several names, which are separated by spaces. */
function named(preprocess: Preprocess, names: string, entry = ''): Record<string, Preprocess> {
  return Object.fromEntries(names.split(/\s+/).map((name) => [`${name}${entry}`, preprocess]))
}
