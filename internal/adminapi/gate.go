package adminapi

// anybody admits every caller who is known: what they may see or do is decided by what
// they ask for.
func anybody(*request) error { return nil }

func administrator(r *request) error { return r.caller.RequireAdministrator() }

// mayDo returns the gate of an administrative change, by its action in the audit log.
func (a *API) mayDo(action string) gate {
	return func(r *request) error {
		return a.Directory.MayChange(r.Context(), r.caller, action, r.PathValue("id"))
	}
}

func (a *API) mayReadUser(r *request) error { return a.Directory.MayRead(r.caller, r.PathValue("id")) }

func (a *API) mayRevokeUser(r *request) error {
	return a.Revoker.MayRevokeAllOf(r.Context(), r.caller, r.PathValue("id"))
}

func (a *API) mayRevokeMine(r *request) error {
	return a.Revoker.MayRevokeAll(r.Context(), r.caller, r.caller.ID())
}

func (a *API) mayCreateToken(r *request) error {
	return a.Issuance.MayCreate(r.Context(), r.caller)
}

func (a *API) mayRegenerate(r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	return a.Issuance.MayRegenerate(r.Context(), r.caller, id)
}
