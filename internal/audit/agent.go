package audit

import "strings"

// maxAgent bounds how much of a User-Agent is read.
const maxAgent = 512

// browsers are recognised by a part of the User-Agent. The first one in this list that it
// contains counts, because most name several.
var browsers = [...]struct{ mark, name string }{
	{"Edg/", "Edge"},
	{"EdgA/", "Edge"},
	{"EdgiOS/", "Edge"},
	{"OPR/", "Opera"},
	{"SamsungBrowser/", "Samsung Internet"},
	{"Vivaldi/", "Vivaldi"},
	{"FxiOS/", "Firefox"},
	{"Firefox/", "Firefox"},
	{"CriOS/", "Chrome"},
	{"HeadlessChrome/", "Chrome"},
	{"Chromium/", "Chromium"},
	{"Chrome/", "Chrome"},
	{"Safari/", "Safari"},
	{"curl/", "curl"},
	{"python-requests/", "Python"},
	{"Python-urllib/", "Python"},
	{"aiohttp/", "Python"},
	{"Go-http-client/", "Go"},
}

// systems likewise.
var systems = [...]struct{ mark, name string }{
	{"iPhone", "iPhone"},
	{"iPad", "iPad"},
	{"Android", "Android"},
	{"CrOS", "ChromeOS"},
	{"Windows", "Windows"},
	{"Mac OS X", "macOS"},
	{"Macintosh", "macOS"},
	{"Linux", "Linux"},
	{"FreeBSD", "FreeBSD"},
}

// Client describes the program that a request came from in a few words, such as "Firefox
// on Linux", for a person who looks through their sessions; "" when it isn't known. The
// program can send what it likes, so this proves nothing.
func (o Origin) Client() string {
	agent := o.Agent[:min(len(o.Agent), maxAgent)]
	var browser, system string
	for _, b := range browsers {
		if strings.Contains(agent, b.mark) {
			browser = b.name
			break
		}
	}
	for _, s := range systems {
		if strings.Contains(agent, s.mark) {
			system = s.name
			break
		}
	}
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case system != "":
		return "a program on " + system
	}
	return browser
}
