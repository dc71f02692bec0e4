/** Stands in for Node's `util` in the bundle, so that object-inspect formats everything itself. */
export const inspect = {}
