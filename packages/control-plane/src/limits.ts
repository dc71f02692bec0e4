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
  /** Life of a claim link: one month. */
  claimLinkMs: 30 * 24 * 60 * 60_000,
  /** How often the times of last use are written down. */
  lastUsedFlushMs: 60_000,
  /** Verified keys that are remembered; all are forgotten when it is full. */
  maxCachedKeys: 10_000,
  /** Attempts to find a free deployment name before the name space counts as exhausted. */
  maxNameAttempts: 50,
} as const
