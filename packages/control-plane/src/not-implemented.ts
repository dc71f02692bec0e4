/**
 * Operations of the published Management API that this server does not have yet, so that a client learns the reason
 * instead of "no such route". A line leaves this list when its operation gets a handler.
 */
export const notImplemented: readonly { readonly method: string; readonly path: string; readonly id: string }[] = [
  { method: 'POST', path: '/deployments/{deployment_name}/create_custom_domain', id: 'create custom domain' },
  { method: 'POST', path: '/deployments/{deployment_name}/delete_custom_domain', id: 'delete custom domain' },
  { method: 'GET', path: '/deployments/{deployment_name}/custom_domains', id: 'list custom domains' },
  { method: 'GET', path: '/teams/{team_id}/list_members', id: 'list team members' },
  { method: 'POST', path: '/teams/{team_id}/invite_team_member', id: 'invite team member' },
  { method: 'GET', path: '/teams/{team_id}/list_pending_invites', id: 'list pending team invites' },
  { method: 'POST', path: '/teams/{team_id}/cancel_team_member_invite', id: 'cancel team member invite' },
  { method: 'POST', path: '/teams/{team_id}/update_team_member_role', id: 'update team member role' },
  { method: 'GET', path: '/teams/{team_id}/list_audit_log_events', id: 'list audit log events' },
  { method: 'POST', path: '/teams/{team_id}/create_custom_role', id: 'create custom role' },
  { method: 'GET', path: '/teams/{team_id}/list_custom_roles', id: 'list custom roles' },
  { method: 'POST', path: '/teams/{team_id}/update_custom_role', id: 'update custom role' },
  { method: 'POST', path: '/teams/{team_id}/delete_custom_role', id: 'delete custom role' },
]
