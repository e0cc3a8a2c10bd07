# A word that names no package is a capability.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: b 1 1 noarch
#>=Prv: mta = 2
system x86_64 rpm system
job install text mta >= 1
job install text (mta or x)
result transaction,problems <inline>
#>install b-1-1.noarch@available
