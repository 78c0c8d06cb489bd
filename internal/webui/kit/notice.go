package kit

// notices are the texts that a page can be asked to show.
var notices = map[string]string{
	"ended":       "Your session has ended. Sign in to continue.",
	"signed-out":  "You are signed out.",
	"again":       "For this, sign in again: you signed in too long ago. You will come back to where you were.",
	"password":    "The password is set. Sign in with it.",
	"revoked-all": "All your tokens and sessions are revoked. Sign in again to continue.",
	"revoked":     "The token is revoked.",

	"password-changed": "Your password is changed. Everything else of yours is revoked: other sessions, and all tokens.",
	"session-ended":    "The session is ended.",
	"sessions-ended":   "All your other sessions are ended.",
	"disconnected":     "Disconnected.",
	"linked":           "Linked.",
	"unlinked":         "The link is removed.",

	"made":        "Created.",
	"saved":       "Saved. It applies on every node.",
	"removed":     "Removed.",
	"unlocked":    "The user can sign in again.",
	"all-revoked": "All tokens and sessions of this user are revoked.",
	"rotated":     "The keys are rotated. The next key signs as soon as every cache has had time to fetch it, or at once if you chose so.",
	"retired":     "The key is retired, and every token that it signed is revoked.",
}

// Notice returns the text that a page is asked to show by its name; "" for none.
func Notice(name string) string { return notices[name] }
