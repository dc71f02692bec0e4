/** Limits of the control plane. Times in milliseconds, lengths in characters. */
export const controlPlaneLimits = {
  minSlugLength: 3,
  maxSlugLength: 64,
  maxProjectNameLength: 200,
  maxTokenNameLength: 200,
  minReferenceLength: 3,
  maxReferenceLength: 100,
  defaultPageItems: 100,
  maxPageItems: 100,
  /** `list_projects` has no pages; what a team may own beyond this is only seen through `projects`. */
  maxUnpagedProjects: 10_000,
  /** A key must live at least this long when it is created with an expiry. */
  minExpiryMs: 30 * 60_000,
  /** Life of the key that an authorize answer of the command line's API carries. */
  sessionKeyMs: 7 * 24 * 60 * 60_000,
  /** Life of the key that a claim of a preview answers: a build has done its work by then. */
  previewKeyMs: 24 * 60 * 60_000,
  /** How long a preview lives, unless told otherwise; nothing that expires may live longer. */
  previewRetentionMs: 14 * 24 * 60 * 60_000,
  maxPreviewIdentifierLength: 200,
  /** How long the answer to a marked creation can be asked for again. */
  creationMarkMs: 24 * 60 * 60_000,
  maxIdempotencyKeyLength: 255,
  /** How often expired deployments are deleted, and admin sessions on keys that have expired ended. */
  sweepMs: 30_000,
  maxSweptAtOnce: 100,
  /** Life of a key after it was rotated, unless told otherwise, and at most. */
  rotationGraceMs: 24 * 60 * 60_000,
  maxRotationGraceMs: 30 * 24 * 60 * 60_000,
  defaultTokenPageItems: 10,
  maxTeamNameLength: 200,
  /** As deployments have it for their own variables, so that what is stored here can be copied there. */
  maxDefaultVariablesPerType: 512,
  maxVariableNameLength: 256,
  maxVariableValueBytes: 8192,
  maxDefaultVariablesBytes: 512 * 1024,
  maxDeviceNameLength: 200,
  /** A local backend says every minute that it runs; after so long in silence it counts as stopped. */
  localSilenceMs: 3 * 60_000,
  /** Life of a claim link: one month. */
  claimLinkMs: 30 * 24 * 60 * 60_000,
  /** How often the times of last use are written down. */
  lastUsedFlushMs: 60_000,
  /** Verified keys that are remembered; all are forgotten when it is full. */
  maxCachedKeys: 10_000,
  /** Attempts to find a free deployment name before the name space counts as exhausted. */
  maxNameAttempts: 50,
} as const
