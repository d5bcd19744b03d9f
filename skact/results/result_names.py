"""Names of scores, times and an index of a file; marks of cells and frames."""

import re

# Names that scikit-learn gives to scores and times; no parameter gets such a name.
RESULT_NAME = re.compile(
    r"(?:mean|std|rank|split\d+)_(?:test|train)_.*|(?:mean|std)_(?:fit|score)_time"
)
# how pandas names an index that it has read from a file; it is no column of results
INDEX_OF_CSV = re.compile(r"Unnamed: \d+(?:\.\d+)*")
MISSING = object()  # the cell of a candidate that has no such parameter or score
ATTRS_KEY = "skact"  # in DataFrame.attrs of a frame that to_frame made
