/** What one part of the page must know of another: how high the call bar is (what floats may not lie on it), and
 * whether a dialog is open (rail and page are inert then). */
export const layout = $state({ bar: 0, modal: false });
