# A capability that the base has.
repo system 0 testtags <inline>
#>=Pkg: b 1 1 noarch
#>=Prv: mta
repo available 0 testtags <inline>
system x86_64 rpm system
job install text mta
result transaction,problems <inline>
#>already mta
