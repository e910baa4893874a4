// Package conformance checks that every file and argument that components/tracing
// renders is understood by the very releases it is rendered for.
//
// The programs below readers are built from the upstream projects' own modules,
// one build per release; the tests here render for a release, pass the text to
// that release's reader and compare what it decoded with the settings. README.md
// describes what this covers and what it does not.
package conformance
