# A package is its own configuration.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: config(a) = 1-1
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
