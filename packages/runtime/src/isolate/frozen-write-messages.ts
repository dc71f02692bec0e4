/** Texts of the TypeErrors that V8, and our own guards, throw when something frozen is written. */
export const frozenWriteMessages = [
  /^Cannot assign to read only property /,
  /^Cannot redefine property: /,
  /^Cannot delete property /,
  / is not extensible$/,
  /^Cannot set property .* of .* which has only a getter$/,
  /^Cannot modify frozen module state$/,
  /^Cannot freeze$/,
]
