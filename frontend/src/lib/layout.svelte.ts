/** Heights that one part must know of another: what floats may not lie on the call bar. */
export const layout = $state({ bar: 0 });
