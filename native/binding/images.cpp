#include <ATen/ops/from_blob.h>

#include <cmath>
#include <memory>

#include "binding/arrays.h"
#include "binding/convert.h"
#include "binding/define.h"
#include "binding/functions.h"
#include "binding/handle.h"
#include "binding/pool.h"
#include "core/base/error.h"
#include "core/image/jpeg.h"
#include "core/image/preprocess.h"

namespace sos {
namespace {

/// Refuses numbers that are not whole: JavaScript's NaN would silently become 0.
int64_t to_whole(const Napi::Value& value) {
  const double number = value.As<Napi::Number>();
  if (std::trunc(number) == number && std::abs(number) < 0x1p53) return static_cast<int64_t>(number);
  throw Error("ERR_INVALID_ARGUMENT", "expected a whole number but received " + std::to_string(number));
}

/// { resize, bicubic, crop, mean, std } as src/torch/native/structures.ts describes it
Preprocess to_preprocess(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  const auto numbers = [&](const char* name) {
    return to_vector(object.Get(name),
                     [](const Napi::Value& value) { return value.As<Napi::Number>().DoubleValue(); });
  };
  return {to_whole(object.Get("resize")), object.Get("bicubic").As<Napi::Boolean>(),
          to_whole(object.Get("crop")), numbers("mean"), numbers("std")};
}

/// One row of a batch: [1, C, H, W].
at::Tensor row_of(const Napi::Value& batch, const Napi::Value& row) {
  return unwrap_tensor(batch).narrow(0, to_whole(row), 1);
}

/// (path, channels) → Promise<tensor | null>
Napi::Value decode_jpeg_of(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  const int64_t channels = to_whole(info[1]);
  return on_pool(
      info, [path, channels] { return decode_jpeg_file(path, channels); },
      [](Napi::Env env, const std::optional<at::Tensor>& decoded) {
        return decoded ? wrap_tensor(env, *decoded) : env.Null();
      });
}

/// (path, recipe, batch, row) → Promise<boolean>: false if the decoder leaves the image to a more general one
Napi::Value load_jpeg(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  const auto recipe = to_preprocess(info[1]);
  const auto out = row_of(info[2], info[3]);
  return on_pool(
      info,
      [path, recipe, out] {
        const auto decoded = decode_jpeg_file(path, out.size(1));
        if (decoded) preprocess(*decoded, recipe, out);
        return decoded.has_value();
      },
      Napi::Boolean::New);
}

/// (images, recipe) → tensor
Napi::Value preprocess_images(const Napi::CallbackInfo& info) {
  return wrap_tensor(info.Env(), preprocess(unwrap_tensor(info[0]), to_preprocess(info[1])));
}

/// (bytes, [height, width, channels], recipe, batch, row) → Promise. The buffer of the bytes is detached at
/// the end, since V8 counts its memory and would otherwise run a full collection after each 64 MB.
Napi::Value preprocess_bytes(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray()) throw Error("ERR_INVALID_ARGUMENT", "expected a Uint8Array");
  auto bytes = info[0].As<Napi::Uint8Array>();
  const auto shape = to_ints(info[1]);
  const bool fits = shape.size() == 3 && shape[0] > 0 && shape[1] > 0 && (shape[2] == 1 || shape[2] == 3) &&
                    shape[0] <= kMostPixels / shape[1] &&
                    bytes.ByteLength() == static_cast<size_t>(shape[0] * shape[1] * shape[2]);
  if (!fits) throw Error("ERR_SHAPE", "expected the bytes of an image of this height, width and channels");
  auto image = at::from_blob(bytes.Data(), {1, shape[0], shape[1], shape[2]}, at::kByte);
  const auto recipe = to_preprocess(info[2]);
  const auto out = row_of(info[3], info[4]);
  // This keeps the bytes from the garbage collector until the promise is settled. It is freed on the
  // JavaScript thread.
  const auto kept = std::make_shared<Napi::ObjectReference>(Napi::Persistent(info[0].As<Napi::Object>()));
  return on_pool(
      info,
      [image = image.permute({0, 3, 1, 2}), recipe, out, kept] {
        preprocess(image, recipe, out);
        return kept;
      },
      [](Napi::Env env, const auto& bytes) {
        auto buffer = bytes->Value().template As<Napi::Uint8Array>().ArrayBuffer();
        if (!buffer.IsDetached()) buffer.Detach();
        return env.Undefined();
      });
}

Napi::Value has_decoder(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), has_jpeg_decoder());
}

}  // namespace

void export_image_functions(Napi::Env env, Napi::Object exports) {
  define<decode_jpeg_of>(env, exports, "decodeJpeg");
  define<load_jpeg>(env, exports, "loadJpeg");
  define<preprocess_images>(env, exports, "preprocessImages");
  define<preprocess_bytes>(env, exports, "preprocessBytes");
  define<has_decoder>(env, exports, "hasJpegDecoder");
}

}  // namespace sos
