// Package conformance proves that every file and argument that
// components/tracing renders is read by the very releases it is rendered for.
//
// The programs below readers are built from the upstream projects' own modules,
// one build per release; the tests here render for a release, hand the text to
// that release's reader and compare what it understood with what was meant. See
// README.md for what this covers and what it does not.
package conformance
