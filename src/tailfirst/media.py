"""Media of rows, put together from two sources."""

import numpy as np

from tailfirst.contracts import Ints, Media, MediaOf


def joined(first: MediaOf, second: MediaOf, border: int) -> MediaOf:
    """The media of rows below `border` from `first`, of the others from `second`; in the order asked."""

    def media(rows: Ints) -> list[Media]:
        ours = rows < border
        found = dict(zip(np.flatnonzero(ours).tolist(), first(rows[ours]), strict=True))
        found |= zip(np.flatnonzero(~ours).tolist(), second(rows[~ours] - border), strict=True)
        return [found[place] for place in range(len(rows))]

    return media
