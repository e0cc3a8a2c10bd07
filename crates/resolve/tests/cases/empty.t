# Nothing requested, nothing to add.
repo system 0 testtags <inline>
#>=Pkg: a 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: b 1 1 noarch
system x86_64 rpm system
result transaction,problems <inline>
