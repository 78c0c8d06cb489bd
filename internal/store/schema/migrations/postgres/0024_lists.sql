-- Pages of bindings: all by their paths, and those of a role.
CREATE INDEX bindings_listed ON bindings (path, id);
CREATE INDEX bindings_role_listed ON bindings (role, path, id) WHERE role IS NOT NULL;

-- The audit log by what was done, and by what was not successful.
CREATE INDEX audit_events_action ON audit_events (action, id);
CREATE INDEX audit_events_outcome ON audit_events (outcome, id) WHERE outcome <> 'ok';
