# A request that is not a dependency.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: b 1 1 noarch
system x86_64 rpm system
job install text (b or
result transaction,problems <inline>
#>problem info malformed dependency `(b or`: a name is missing
