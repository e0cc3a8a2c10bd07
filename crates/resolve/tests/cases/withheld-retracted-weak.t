# What is withheld is not recommended, and supplements nothing.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Rec: b
#>=Pkg: b 1 1 noarch
#>=Prv: retracted-patch-package()
#>=Pkg: c 1 1 noarch
#>=Sup: a
#>=Prv: retracted-patch-package()
system x86_64 rpm system
job blacklist provides retracted-patch-package()
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
