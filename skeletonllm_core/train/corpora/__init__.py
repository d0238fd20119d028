"""Where labelled clips come from: one module a kind, all of which yield `LabelledClip`."""
