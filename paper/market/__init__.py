"""Where prices come from: base bars from a source, a path inside each bar, and channels derived from them."""
