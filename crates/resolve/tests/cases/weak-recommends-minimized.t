# One of two that are recommended is taken, until the other one comes in for something else.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Rec: a-lang
#>=Rec: b-lang
#>=Pkg: a-lang 1 1 noarch
#>=Pkg: bundle 1 1 noarch
#>=Prv: a-lang
#>=Prv: b-lang
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install bundle-1-1.noarch@available
