import numpy as np
import pytest
from PIL import Image

from tailfirst.encoders._pixels import Preprocess, preprocess


def processors():
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    return {
        "clip": CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        "clip-margin": CLIPImageProcessorPil(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 30}),
        "siglip": SiglipImageProcessorPil(size={"height": 32, "width": 24}),
        "bilinear": CLIPImageProcessorPil(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}, resample=2
        ),
    }


@pytest.mark.parametrize("name", ["clip", "clip-margin", "siglip", "bilinear"])
def test_the_fast_path_equals_the_processor_bit_for_bit(name):
    processor = processors()[name]
    fast = preprocess(processor)
    assert isinstance(fast, Preprocess)
    rng = np.random.default_rng(3)
    for _ in range(25):
        width, height = rng.integers(3, 200, 2)
        image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        expected = processor(images=image, return_tensors="np")["pixel_values"][0]
        found = fast(image)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_unusual_processors_are_called_themselves():
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 20}, crop_size={"height": 32, "width": 32}, do_normalize=False
    )
    image = Image.new("RGB", (40, 50), (1, 2, 3))
    found = preprocess(processor)
    assert not isinstance(found, Preprocess)
    np.testing.assert_array_equal(found(image), processor(images=image, return_tensors="np")["pixel_values"][0])
